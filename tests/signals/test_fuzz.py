"""Whatever a source answers: a correct series or an error that can be told, nothing else."""

import ast
from collections.abc import Callable
from datetime import timedelta
import json
import math
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings, strategies as st
import pytest

from custom_components.computeload.core.series import Kind, Series, Unit
from custom_components.computeload.signals import __file__ as signals_file
from custom_components.computeload.signals.attributes import (
    read_carbon_attributes,
    read_price_attributes,
)
from custom_components.computeload.signals.direct import (
    read_awattar,
    read_energy_charts,
    read_energy_charts_co2,
    read_uk_carbon,
)
from custom_components.computeload.signals.entsoe import read_entsoe
from custom_components.computeload.signals.error import SignalError
from custom_components.computeload.signals.quote import Quote
from custom_components.computeload.signals.rows import ENDS, STARTS, VALUES, read_rows
from custom_components.computeload.signals.units import carbon_factor, price_unit
from custom_components.computeload.signals.wh_hours import read_wh_hours, summed

from .payloads import (
    BERLIN,
    DAY,
    HOUR,
    MIDNIGHT,
    awattar,
    energy_charts,
    entsoe,
    entsoe_period,
    entsoe_series,
    rows,
    uk_carbon,
)

READERS: dict[str, tuple[Callable[[bytes], Quote], bytes]] = {
    "entsoe": (
        read_entsoe,
        entsoe(
            entsoe_series(entsoe_period(MIDNIGHT, MIDNIGHT + HOUR, "PT15M", [(1, 5.0), (3, 7.0)]))
        ),
    ),
    "energy_charts": (read_energy_charts, energy_charts(MIDNIGHT, [1.0, None, 3.0])),
    "energy_charts_co2": (
        read_energy_charts_co2,
        energy_charts(MIDNIGHT, [1.0], co2eq=[1.0], co2eq_forecast=[2.0]),
    ),
    "awattar": (read_awattar, awattar(MIDNIGHT, [1.0, 2.0])),
    "uk": (read_uk_carbon, uk_carbon(MIDNIGHT, [1, 2])),
}

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([MIDNIGHT, "2026-11-23T00:00:00Z", "2026-11-23 00:15", 1.8e9, 1.8e12]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from([*STARTS, *ENDS, *VALUES, "data", "unix_seconds", "price_05h"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


def holds(read: Callable[[], Series]) -> None:
    """Check that reading gives a finite series, or an error with words."""
    told: SignalError | None = None
    try:
        series = read()
    except SignalError as err:
        told = err
    else:
        assert all(math.isfinite(slot.value) for slot in series)
        assert all(slot.end > slot.start for slot in series)
    assert told is None or all(isinstance(text, str) for text in told.details.values())


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_garbage_from_a_service_is_an_error_or_a_series(name: str, data: st.DataObject) -> None:
    read, good = READERS[name]
    garbage = data.draw(
        st.binary(max_size=60)
        | anything.map(lambda value: json.dumps(value, default=str).encode())
        # Cut off, and with a stretch replaced: what a broken line or proxy makes of it.
        | st.integers(0, len(good)).map(lambda n: good[:n])
        | st.tuples(st.integers(0, len(good)), st.integers(0, 9), st.binary(max_size=9)).map(
            lambda cut: good[: cut[0]] + cut[2] + good[cut[0] + cut[1] :]
        )
    )
    holds(lambda: read(garbage).series)


@given(anything)
@example([{"start": "2026-11-23", "price": -0.0}])
@example({"2026-11-23": 1.0})
def test_any_rows_are_an_error_or_a_series(given_rows: Any) -> None:
    holds(lambda: read_rows(given_rows, unit=Unit.PRICE, kind=Kind.DAY_AHEAD, zone=BERLIN))
    holds(lambda: summed([read_wh_hours({"wh_hours": given_rows})]))


@given(
    st.dictionaries(
        st.sampled_from(["data", "prices", "raw_today", "rates", "price_05h", "price_02h_d"]),
        anything,
    ),
    st.sampled_from([None, "EUR/kWh", "ct/kWh", "x", ""]),
)
def test_any_attributes_are_an_error_or_a_series(attributes: Any, unit: str | None) -> None:
    now = MIDNIGHT + 12 * HOUR
    holds(lambda: read_price_attributes(attributes, now=now, zone=BERLIN, unit=unit).series)
    holds(lambda: read_carbon_attributes(attributes, zone=BERLIN))


@given(st.text(max_size=30))
def test_any_text_is_a_unit_or_none(text: str) -> None:
    unit = price_unit(text)
    assert unit is None or unit.divisor > 0.0
    factor = carbon_factor(text)
    assert factor is None or factor > 0.0


@given(
    st.lists(st.floats(-500, 4000), min_size=2, max_size=100),
    st.sampled_from([15, 30, 60]),
    st.randoms(),
)
def test_rows_come_out_as_they_went_in_whatever_their_order(
    values: list[float], minutes: int, random: Any
) -> None:
    step = timedelta(minutes=minutes)
    given_rows = rows(MIDNIGHT, values, step, keys=("start", None, "price"))
    random.shuffle(given_rows)
    series = read_rows(given_rows, unit=Unit.PRICE, kind=Kind.DAY_AHEAD, zone=BERLIN)
    assert [slot.value for slot in series] == values
    assert series.holes(MIDNIGHT, MIDNIGHT + len(values) * step) == []


def test_a_bomb_of_entities_is_not_even_opened() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "' + b"c" * 1000 + b'">]><a>' + b"&b;" * 1_000_000 + b"</a>"
    with pytest.raises(SignalError):
        read_entsoe(bomb)


def test_a_month_of_quarters_is_read() -> None:
    points = [(n, 50.0 + n) for n in range(1, 97)]
    days = [
        entsoe_period(MIDNIGHT + n * DAY, MIDNIGHT + (n + 1) * DAY, "PT15M", points)
        for n in range(30)
    ]
    assert len(read_entsoe(entsoe(entsoe_series(*days))).series) == 30 * 96


WITH_HOME_ASSISTANT = {"coordinator", "fetch", "operator_limit", "site", "solar"}


def test_readers_and_judges_know_nothing_of_home_assistant() -> None:
    for file in Path(signals_file).parent.glob("*.py"):
        imported = {
            name
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else ["." * node.level + (node.module or "")]
            )
        }
        foreign = {
            name
            for name in imported
            if name.startswith(("homeassistant", "aiohttp", "voluptuous"))
            or (name.startswith("..") and not name.startswith("..core."))
            or name.removeprefix(".") in WITH_HOME_ASSISTANT
        }
        assert (file.stem in WITH_HOME_ASSISTANT) or foreign == set(), file.name
