"""Slurm's short forms: lists of hosts, tasks of an array, counts of GPUs.

Sources: the manual pages of scontrol (host lists), sbatch (``--array``, ``--gres``) and
slurm.conf (TRES).
"""

from collections.abc import Iterable, Iterator
import re
from typing import Final

MOST: Final = 1_000_000
"""More hosts or tasks than any cluster has; a larger number is a mistake, not memory."""
_PIECE: Final = re.compile(r"(?P<text>[^\[\],\s]+)|\[(?P<ranges>[0-9,\-]+)\]|(?P<comma>,)")
_RANGE: Final = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?(?::(\d{1,9}))?")
_GRES: Final = re.compile(r"(?:gres[:/])?gpu(?::[^:=,()]*[^:=,()\d][^:=,()]*)?(?:[:=](\d{1,9}))?")
_TRES: Final = re.compile(r"gres/gpu(?P<kind>:[^=]+)?=(?P<count>\d{1,9})")


def hosts(text: str) -> tuple[str, ...]:
    """Return the names in a list such as ``login,cn[01-03,7],r[1-2]n[1-2]``.

    Raises ValueError where it is none.
    """
    if not text or text in ("None", "(null)"):
        return ()
    if text.isalnum():
        return (text,)
    found: list[str] = []
    names: list[str] | None = None
    at = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise ValueError(f"{text[:60]!r} is not a list of hosts")
        at = piece.end()
        if piece["comma"]:
            if names is None:
                raise ValueError(f"{text[:60]!r} has a comma without a host")
            found += names
            names = None
            continue
        parts = [piece["text"]] if piece["text"] else list(_numbers(piece["ranges"]))
        if len(parts) * len(names or ("",)) + len(found) > MOST:
            raise ValueError(f"{text[:60]!r} has more than {MOST} hosts")
        names = [start + part for start in names or ("",) for part in parts]
    return (*found, *(names or ()))


def _numbers(ranges: str) -> Iterator[str]:
    """Yield each number of ``01-03,7``, with its zeros."""
    for each in ranges.split(","):
        match = _RANGE.fullmatch(each)
        if match is None:
            raise ValueError(f"[{ranges[:60]}] is not a range of numbers")
        first, last = match[1], match[2] or match[1]
        if not 0 <= int(last) - int(first) < MOST:
            raise ValueError(f"[{ranges[:60]}] is not a range of numbers")
        yield from (f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1))


def array_tasks(text: str) -> tuple[int, int | None]:
    """Return how many tasks ``5-99:2,120%10`` has, and how many may run at once.

    Slurm cuts a long list off with dots; then it is how many are named. Raises ValueError.
    """
    listed, _, limit = text.partition("%")
    count = 0
    for each in listed.split(","):
        if each == "..." and count:
            continue
        match = _RANGE.fullmatch(each)
        if match is None:
            raise ValueError(f"{text[:60]!r} is not a list of array tasks")
        first, last = int(match[1]), int(match[2] or match[1])
        step = int(match[3] or 1)
        if last < first or step < 1:
            raise ValueError(f"{text[:60]!r} is not a list of array tasks")
        count += (last - first) // step + 1
    if count > MOST or (limit and not limit.isdecimal()) or len(limit) > 9:  # noqa: PLR2004 - digits
        raise ValueError(f"{text[:60]!r} is not a list of array tasks")
    return count, int(limit) if limit and int(limit) > 0 else None


def gpus_in_gres(texts: Iterable[str]) -> int:
    """Return the sum over nodes, of ``gpu:h100:4(IDX:0-3),shard:2`` or ``gres/gpu:h100=6``."""
    count = 0
    for text in texts:
        if "gpu" not in text:
            continue
        # What is in brackets has commas of its own.
        for each in re.sub(r"\([^()]*\)", "", text).split(","):
            match = _GRES.fullmatch(each.strip())
            if match is not None:
                count += int(match[1] or 1)
    return count


def gpus_in_tres(text: str) -> int:
    """Return the GPUs in ``cpu=8,gres/gpu=8,gres/gpu:h100=8``: the total, else the sum of kinds."""
    if "gres/gpu" not in text:
        return 0
    kinds = 0
    for match in _TRES.finditer(text):
        if match["kind"] is None:
            return int(match["count"])
        kinds += int(match["count"])
    return kinds
