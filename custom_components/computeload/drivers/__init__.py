"""Eyes and hands: everything that knows a wire.

A driver reads a device into a ``core.model.Reading`` and carries out a
``core.model.Command``. May import core, modbus_connection and aiohttp; never Home
Assistant (a test holds this). What a device's registers mean is in ``profiles/``, as
data.
"""
