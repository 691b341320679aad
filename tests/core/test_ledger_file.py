"""The ledger's file: what is written stays, whatever happens in between."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from custom_components.computeload.core.ledger import EXPORT, IMPORT, Flow
from custom_components.computeload.core.ledger_db import LedgerFile
from custom_components.computeload.core.ledger_read import LedgerReader

from .ledger_rows import START, full, several

NOW = datetime(2026, 3, 9, tzinfo=UTC)
AGES = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC))


@pytest.fixture(name="path")
def path_fixture(tmp_path: Path) -> Path:
    """Return where the ledger is to be; the folder is not there yet."""
    return tmp_path / "computeload" / "site.db"


def test_what_is_written_is_read_again_to_the_last_digit(path: Path) -> None:
    file = LedgerFile(path)
    assert file.open(NOW) is None
    rows = list(several(10))
    assert file.append(rows, {"open": 1}) == 10
    file.close()
    assert file.open(NOW) is None
    assert file.state() == {"open": 1}
    assert list(LedgerReader(path).quarters(*AGES)) == rows
    file.close()
