"""Measured series and payloads that are not part of the repository.

They may lie in a folder ``shared`` beside the repository or above it. What needs them is
skipped where they are not.
"""

from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]


def shared(*parts: str) -> Path:
    """Return a path in the folder of shared data; skips the test where there is none."""
    for folder in list(_ROOT.parents)[:3]:
        path = folder.joinpath("shared", *parts)
        if path.exists():
            return path
    pytest.skip(f"needs shared data: {'/'.join(parts)}")
