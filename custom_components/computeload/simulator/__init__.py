"""A whole lab behind real Modbus TCP sockets, for people and tests without hardware.

Physics (``physics``, ``loads``, ``sun``, ``cabinet``) is pure and seedable, ``scenario``
reads the small files that describe a site, ``devices`` puts the physics behind real
register maps, ``server`` behind sockets, ``faults`` breaks things on demand.

To begin with: ``scenario.load_scenario`` and ``server.SimulatedSite``. Nothing is
imported here, so that reading a scenario does not load the servers.

It imports ``core.model`` and pymodbus; never homeassistant, and never the drivers, so
that a mistake in a driver cannot be mirrored here.
"""
