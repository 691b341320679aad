"""A program that keeps a ledger as fast as it can, until it is killed.

Prints how many quarters it had handed over after every write. Loads the ledger's modules
without the package around them, so that a test can start it many times.
"""

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
import sys
from types import ModuleType

PACKAGE = "custom_components.computeload"
ROOT = Path(__file__).resolve().parents[2]


def main(path: Path) -> None:
    """Go on where the ledger ends."""
    sys.path.insert(0, str(ROOT))
    for name in (PACKAGE, "tests"):
        bare = ModuleType(name)
        bare.__path__ = [str(ROOT.joinpath(*name.split(".")))]
        sys.modules[name] = bare
    keeper_module = import_module(f"{PACKAGE}.core.ledger_keeper")
    rows = import_module("tests.core.ledger_rows")
    keeper = keeper_module.LedgerKeeper(path, UTC, kept=3_000)
    state = keeper.open(datetime.now(UTC))
    count = state["count"] if state else 0
    print(count, flush=True)  # noqa: T201 - this is how the test learns of it
    while True:
        size = 1 + count % 97
        new = list(rows.several(size, count))
        count += size
        if not keeper.keep(new, {"count": count}, datetime.now(UTC)) or keeper.notice:
            print(keeper.problem or keeper.notice, flush=True)  # noqa: T201
            return
        print(count, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
