"""One real Slurm for all tests of this folder."""

from collections.abc import Iterator
from contextlib import ExitStack
import subprocess

import pytest
import pytest_socket

from scripts.slurm_lab import SlurmLab, missing, slurm_lab


@pytest.fixture(name="lab", scope="session")
def lab_fixture() -> Iterator[SlurmLab]:
    """Run one Slurm for all tests."""
    if (why := missing()) is not None:
        pytest.skip(why)
    pytest_socket.enable_socket()
    with ExitStack() as stack:
        try:
            lab = stack.enter_context(slurm_lab())
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"Slurm does not come up here: {error}")
        yield lab
