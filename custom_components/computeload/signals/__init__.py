"""Signals from outside the site: prices, carbon intensity, PV forecast, operator limit.

Each turns a source into a ``core.series.Series`` in our units (currency/kWh, g/kWh, W).
What reads payloads and judges values is pure: it imports ``core`` and the standard library
only. ``fetch``, ``coordinator``, ``solar``, ``operator`` and ``site`` join it to Home
Assistant.
"""
