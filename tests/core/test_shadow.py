"""Shadow days: what control would have done while it was off, with no look-ahead."""

from dataclasses import replace
from datetime import timedelta
import math
from typing import Any

import numpy as np
import pytest

from custom_components.computeload.core.ledger_read import Column, History
from custom_components.computeload.core.plan import Floats
from custom_components.computeload.core.savings import Account, Record
from custom_components.computeload.core.shadow import (
    COLUMNS,
    ShadowDay,
    market_behind,
    shadow_day,
    shadowed,
)
from custom_components.computeload.core.site import Strategy
from custom_components.computeload.core.tariff import import_price, load_preset, read_tariff

from .savings_site import BATTERY, tariff
from .tariff_site import BERLIN, at

FIRST, DAY, END = "2026-03-02", "2026-03-16", "2026-03-17"


def history(changes: dict[Column, tuple[int, float]] | None = None) -> History:
    """Return two weeks and a day: 10 kW, a job of two hours each afternoon, dear evenings.

    ``changes``: from which quarter on a column has another value.
    """
    start = at(FIRST)
    count = round((at(END).timestamp() - start.timestamp()) / 900)
    hour = np.arange(count) % 96 / 4.0
    columns: dict[Column, Floats] = {
        Column.LOAD_W: np.where((hour >= 14.0) & (hour < 16.0), 25_000.0, 10_000.0),
        Column.PV_W: np.zeros(count),
        Column.PRICE_IMPORT: np.where((hour >= 17.0) & (hour < 20.0), 0.25, 0.10),
        Column.SOC: np.full(count, 0.5),
    }
    for column, (since, value) in (changes or {}).items():
        columns[column][since:] = value
    columns[Column.GRID_W] = columns[Column.LOAD_W].copy()
    return History(start=start, step_s=900.0, columns={c: columns[c] for c in COLUMNS})


def record(past: History) -> Record:
    """Return the ledger's record of the same time, nobody commanding."""
    grid_wh = past.columns[Column.GRID_W] / 4.0
    nothing = np.zeros(len(grid_wh))
    return Record(
        starts=past.starts.astype(np.int64),
        import_wh=grid_wh,
        export_wh=nothing,
        without_import_wh=grid_wh,
        without_export_wh=nothing,
        battery_in_wh=nothing,
        battery_out_wh=nothing,
        price_import=past.columns[Column.PRICE_IMPORT],
        price_export=np.full(len(grid_wh), 0.05),
        co2_g_per_kwh=np.full(len(grid_wh), 400.0),
    )


def lived(past: History, **changes: Any) -> ShadowDay | None:
    """Return the shadow of the last day."""
    settings: dict[str, Any] = {
        "tariff": tariff(1.0),
        "battery": BATTERY,
        "strategy": Strategy.AUTOMATIC,
        **changes,
    }
    return shadow_day(past, at(DAY), **settings)


@pytest.fixture(name="shadow", scope="module")
def shadow_fixture() -> ShadowDay:
    found = lived(history())
    assert found is not None
    return found


def test_the_shadow_is_the_load_less_what_the_battery_would_have_done(shadow: ShadowDay) -> None:
    load_w = history().columns[Column.LOAD_W][-96:]
    assert shadow.grid_w + shadow.battery_w == pytest.approx(load_w, abs=0.2)
    assert np.abs(shadow.battery_w).max() > 1_000.0
    assert 0.0 <= shadow.stored_wh <= BATTERY.capacity_wh


def test_what_control_would_have_saved_is_stated_like_a_saving(shadow: ShadowDay) -> None:
    account = Account(tariff(1.0), shadowed(record(history()), [shadow]), BATTERY)
    whole, day, before = account.statements(
        [(at(FIRST), at(END)), (at(DAY), at(END)), (at(FIRST), at(DAY))]
    )
    assert day.saved.total == whole.saved.total
    assert before.saved.total == 0
    # The peak of the month stands already: only energy can be saved, at most 36 kWh x 0.15.
    assert day.saved.demand == 0
    assert 0 < day.saved.arbitrage <= 36 * 15 + 1
    assert day.saved.wear < 0


def test_a_shadow_knows_nothing_of_what_comes_after(shadow: ShadowDay) -> None:
    count = len(history().starts)
    for step in (20, 57):
        other = lived(history({Column.LOAD_W: (count - 96 + step, 33_000.0)}))
        assert other is not None
        assert other.battery_w[:step] == pytest.approx(shadow.battery_w[:step], abs=0.1)


def test_the_next_shadow_goes_on_where_the_last_one_stopped(shadow: ShadowDay) -> None:
    yesterday = ShadowDay(
        start_s=round((at(DAY) - timedelta(days=1)).timestamp()),
        grid_w=np.full(96, 5_000.0),
        battery_w=np.full(96, 5_000.0),
        stored_wh=0.0,
    )
    empty = lived(history(), before=[yesterday])
    assert empty is not None
    assert empty.battery_w[0] <= 0.0
    assert not np.array_equal(empty.battery_w, shadow.battery_w)


@pytest.mark.parametrize("column", [Column.LOAD_W, Column.PRICE_IMPORT])
def test_a_day_that_is_hardly_known_has_no_shadow(column: Column) -> None:
    count = len(history().starts)
    assert lived(history({column: (count - 20, math.nan)})) is None


def test_without_a_battery_there_is_no_shadow() -> None:
    assert lived(history(), battery=replace(BATTERY, capacity_wh=0.0)) is None


def test_a_gap_in_the_past_is_no_trouble() -> None:
    past = history()
    for column in COLUMNS:
        past.columns[column][100:140] = math.nan
    assert lived(past) is not None


def test_a_silent_meter_is_billed_on_neither_side(shadow: ShadowDay) -> None:
    real = record(history())
    real.import_wh[-10:] = math.nan
    both = shadowed(real, [shadow])
    assert np.isnan(both.import_wh[-10:]).all()
    account = Account(tariff(1.0), both, BATTERY)
    (day,) = account.statements([(at(DAY), at(END))])
    assert day.coverage == 86 / 96


def test_a_shadow_survives_a_restart(shadow: ShadowDay) -> None:
    again = ShadowDay.from_state(shadow.to_state())
    assert again.start_s == shadow.start_s
    assert again.grid_w.tolist() == shadow.grid_w.tolist()


@pytest.mark.parametrize(
    "change", [{"grid_w": [1.0]}, {"battery_w": ["x"]}, {"start_s": None}, {"grid_w": [math.nan]}]
)
def test_a_damaged_shadow_is_refused(shadow: ShadowDay, change: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        ShadowDay.from_state({**shadow.to_state(), **change})


def test_the_market_is_found_behind_the_price() -> None:
    past = history()
    starts = past.starts.astype(np.int64)
    market = 0.05 + 0.1 * np.sin(np.arange(len(starts)) / 9.0)
    for priced in (load_preset("nl_ms"), load_preset("se_ellevio")):
        past.columns[Column.PRICE_IMPORT] = import_price(priced, starts, market)
        assert market_behind(priced, past) == pytest.approx(market)
    fixed = read_tariff(
        {
            "tariff": {"timezone": BERLIN},
            "energy": {"import": {"adders": [{"name": "all", "per_kwh": 0.3}]}},
        }
    )
    assert not market_behind(fixed, past).any()
