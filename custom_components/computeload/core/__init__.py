"""The brain: windows, tariffs, forecasts, plans, the ledger and the control law.

Everything here knows no Home Assistant, no network and no clock of its own: time comes in
as an argument. May import the standard library, numpy, highspy, and PyYAML for tariff
documents, and nothing else of this package (a test holds this). The only files touched are
the shipped tariffs, which are read, and the ledger's own database: ``ledger_db``,
``ledger_read``, ``ledger_prune`` and ``ledger_keeper`` block and belong in an executor.
"""
