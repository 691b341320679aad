"""The process of its own in which variants are tried."""

from dataclasses import replace
import io
import pickle
import subprocess
import sys
from typing import Any

import pytest

from custom_components.computeload import sizing_process
from custom_components.computeload.core.planning import Connection
from custom_components.computeload.core.sizing import Variant
from custom_components.computeload.core.sizing_past import Past
from custom_components.computeload.sizing_process import (
    SizingProcess,
    SizingProcessError,
    answer,
)

from .core.test_sizing import battery, nothing_done, of, past_fixture

__all__ = ["past_fixture"]


def said(past: Past, variants: object) -> list[tuple[str, Any]]:
    """Return what the child's side says to a question, asked in this process."""
    out = io.BytesIO()
    answer(io.BytesIO(pickle.dumps((past, variants, Connection()))), out)
    out.seek(0)
    messages = []
    while out.tell() < len(out.getvalue()):
        messages.append(pickle.load(out))  # noqa: S301 - our own
    return messages


def test_variants_are_answered_one_after_the_other_with_progress(past: Past) -> None:
    kinds = [kind for kind, _ in said(past, [of(None), of(battery(5.0))])]
    assert kinds == ["result", "progress", "progress", "result", "end"]


def test_what_goes_wrong_is_told_and_not_hidden(past: Past) -> None:
    ((kind, text),) = said(past, [None])
    assert kind == "error"
    assert text.startswith("AttributeError: ")


def test_a_process_gives_the_results_that_this_one_would(past: Past) -> None:
    heard: list[tuple[int, float]] = []
    variants = [of(None), of(battery(5.0))]
    results = SizingProcess().run(past, variants, Connection(), lambda *far: heard.append(far))
    here = [value for kind, value in said(past, variants) if kind == "result"]
    assert [each.total for each in results] == [each.total for each in here]
    assert heard == [(1, 0.0), (1, 0.0), (1, 1.0), (2, 0.0)]


def test_the_child_loads_no_home_assistant(past: Past) -> None:
    # Its priority, its memory and its speed rest on that.
    script = (
        "import runpy, sys, io\n"
        f"sys.argv = ['', {sizing_process.__package__!r}]\n"
        f"runpy.run_path({sizing_process.__file__!r}, run_name='__main__')\n"
        "sys.stderr.write(str('homeassistant' in sys.modules))"
    )
    question = pickle.dumps(sys.path) + pickle.dumps((past, [of(None)], Connection()))
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", script], input=question, capture_output=True, check=True
    )
    assert done.stderr == b"False"
    out = io.BytesIO(done.stdout)
    assert [pickle.load(out)[0], pickle.load(out)[0]] == ["result", "end"]  # noqa: S301


def test_a_child_that_is_stopped_or_dies_is_told(past: Past) -> None:
    process = SizingProcess()
    process.stop()
    with pytest.raises(SizingProcessError, match="ended before it was done"):
        process.run(past, [of(battery(5.0))], Connection(), nothing_done)


def test_a_child_that_cannot_take_the_question_tells_why(past: Past) -> None:
    wrong = replace(of(None), tariff="none")  # type: ignore[arg-type]
    with pytest.raises(SizingProcessError, match="AttributeError"):
        SizingProcess().run(past, [wrong], Connection(), nothing_done)


def test_a_machine_that_starts_no_process_is_told(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    variants: list[Variant] = [of(None)]
    with pytest.raises(SizingProcessError, match="no process could be started"):
        SizingProcess().run(past, variants, Connection(), nothing_done)
