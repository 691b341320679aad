"""The ledger's tables, version by version.

``quarter`` is append-only: a correction is a row with a higher revision, and the view
``newest`` shows the row that holds. ``day`` keeps the sums of days whose quarters were
too old to be kept (see ``ledger_prune``). A file is brought up to date by running the
migrations that it has not seen, each within one transaction.
"""

from typing import Final

APPLICATION_ID: Final = 0x434C4C47
"""Marks our files (SQLite's ``application_id``): "CLLG"."""

MIGRATIONS: Final = (
    """
    CREATE TABLE channel (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE quarter (
        start INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        origin TEXT NOT NULL,
        covered_s REAL NOT NULL,
        import_wh REAL,
        export_wh REAL,
        pv_wh REAL,
        battery_in_wh REAL,
        battery_out_wh REAL,
        load_wh REAL,
        soc REAL,
        price_import REAL,
        price_export REAL,
        co2_g_per_kwh REAL,
        target_w REAL,
        plan_battery_w REAL,
        plan_grid_w REAL,
        commands INTEGER,
        reason TEXT,
        without_import_wh REAL,
        without_export_wh REAL,
        flows TEXT NOT NULL CHECK (json_valid(flows)),
        PRIMARY KEY (start, revision)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER quarter_is_append_only BEFORE UPDATE ON quarter
    BEGIN
        SELECT RAISE(ABORT, 'rows of the ledger are not changed; add a revision');
    END;
    CREATE VIEW newest AS SELECT * FROM quarter AS q WHERE NOT EXISTS (
        SELECT 1 FROM quarter AS n WHERE n.start = q.start AND n.revision > q.revision
    );
    CREATE TABLE state (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE day (
        day TEXT PRIMARY KEY,
        since INTEGER NOT NULL,
        until INTEGER NOT NULL,
        peak_start INTEGER,
        peak_import_wh REAL,
        peak_covered_s REAL,
        peak_origin TEXT,
        quarters INTEGER NOT NULL,
        imported INTEGER NOT NULL,
        covered_s REAL NOT NULL,
        import_wh REAL NOT NULL,
        export_wh REAL NOT NULL,
        pv_wh REAL NOT NULL,
        battery_in_wh REAL NOT NULL,
        battery_out_wh REAL NOT NULL,
        load_wh REAL NOT NULL,
        load_quarters INTEGER NOT NULL,
        cost REAL NOT NULL,
        income REAL NOT NULL,
        unpriced_import_wh REAL NOT NULL,
        unpriced_export_wh REAL NOT NULL,
        co2_g REAL NOT NULL,
        without_import_wh REAL NOT NULL,
        without_export_wh REAL NOT NULL,
        without_cost REAL NOT NULL,
        commands INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
)
"""What leads from each version to the next; the number of a file's version is how many it saw."""
