"""A process of its own for what would keep Home Assistant's busy for minutes.

Threads share one interpreter: a simulation in one of them would slow every answer of the
event loop down. So variants are tried in a child, at low priority, by the pure core alone:
the child knows the package by its name, but never runs its ``__init__``, and so loads no
Home Assistant. What goes in and out are pickles between two ends of the same program.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
import os
from pathlib import Path
import pickle
import subprocess
import sys
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.planning import Connection
    from .core.sizing import Result, Variant
    from .core.sizing_past import Past

type Hear = Callable[[int, float], None]
"""Hears how many variants are done, and how far the running one is (0..1)."""


class SizingProcessError(Exception):
    """The process could not do it. The text is for people."""


class SizingProcess:
    """One simulation. ``run`` blocks, and belongs in an executor; ``stop`` does not."""

    def __init__(self) -> None:
        """Prepare; the process starts with ``run``."""
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def stop(self) -> None:
        """End it now, from any thread; ``run`` then raises SizingProcessError."""
        self._stopped = True
        if self._child is not None:
            self._child.kill()

    def run(
        self, past: Past, variants: list[Variant], connection: Connection, hear: Hear
    ) -> list[Result]:
        """Return how each variant would have done; raises SizingProcessError."""
        command = [sys.executable, "-P", __file__, __package__]
        try:
            self._child = subprocess.Popen(  # noqa: S603 - our own file
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as err:
            raise SizingProcessError(f"no process could be started ({err.strerror})") from err
        with self._child as child:
            try:
                if self._stopped:
                    child.kill()
                return list(_asked(child, (past, variants, connection), hear))
            finally:
                child.kill()
                with suppress(OSError):
                    # What it did not take any more is lost with it.
                    child.stdin.close()  # type: ignore[union-attr] # it is a pipe


def _asked(child: subprocess.Popen[bytes], question: object, hear: Hear) -> Iterator[Result]:
    """Ask the child, and yield its results as they come."""
    assert child.stdin is not None  # noqa: S101 - both are pipes
    assert child.stdout is not None  # noqa: S101
    done = 0
    try:
        pickle.dump(sys.path, child.stdin)
        pickle.dump(question, child.stdin)
        child.stdin.flush()
        while True:
            kind, value = pickle.load(child.stdout)  # noqa: S301 - our own child
            if kind == "end":
                return
            if kind == "error":
                raise SizingProcessError(value)
            if kind == "result":
                done += 1
                yield value
            hear(done, value if kind == "progress" else 0.0)
    except (EOFError, OSError, pickle.UnpicklingError) as err:
        raise SizingProcessError("its process has ended before it was done") from err


def answer(question: IO[bytes], out: IO[bytes]) -> None:
    """Answer what comes in: the child's side."""

    def say(kind: str, value: Any = None) -> None:
        pickle.dump((kind, value), out)
        out.flush()

    try:
        from .core.sizing import tried  # noqa: PLC0415 - the parent needs none of it

        past, variants, connection = pickle.load(question)  # noqa: S301 - our own parent
        for variant in variants:
            result = tried(past, variant, connection, lambda share: say("progress", share))
            say("result", result)
    except Exception as err:  # noqa: BLE001 - whatever it is, the parent has to hear of it
        say("error", f"{type(err).__name__}: {err}")
    else:
        say("end")


def _main(package: str) -> None:  # pragma: no cover - the child runs it, and no test sees in
    """Be the child: take the package's name without running it, then answer."""
    sys.path[:] = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent
    names = package.split(".")
    for depth in range(1, len(names) + 1):
        module = ModuleType(".".join(names[:depth]))
        module.__path__ = [str(Path(__file__).parent)] if depth == len(names) else []
        sys.modules[module.__name__] = module
    # The solver greets on the standard output, which is the parent's ear.
    ear = os.dup(1)
    os.dup2(2, 1)
    os.nice(10)
    globals()["__package__"] = package
    with os.fdopen(ear, "wb") as out:
        answer(sys.stdin.buffer, out)


if __name__ == "__main__":
    _main(sys.argv[1])
