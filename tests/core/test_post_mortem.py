"""The story of a billed peak: who drew it, what the battery did, what would have helped."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
import math

from hypothesis import given, settings, strategies as st
import numpy as np
import pytest

from custom_components.computeload.core.ledger import IMPORT, Channel, Flow, Quarter, Role
from custom_components.computeload.core.model import Reason
from custom_components.computeload.core.plan import BatterySpec
from custom_components.computeload.core.post_mortem import (
    Battery,
    PostMortem,
    explain_peaks,
    periods_of,
)
from custom_components.computeload.core.tariff import (
    Metered,
    Tariff,
    load_preset,
    read_tariff,
)

from .savings_site import BATTERY, quarter, quarters, tariff
from .tariff_site import BERLIN, at

RACK, CHILLER = Channel(Role.BRANCH, "rack"), Channel(Role.BRANCH, "chiller")
SMALL = replace(BATTERY, discharge_w=5_000.0)


def branched(row: Quarter, rack_kw: float, chiller_kw: float, **details: object) -> Quarter:
    """Return a quarter with its branches, and what the controller noted."""
    flows = {
        **row.flows,
        RACK: Flow(rack_kw * 250.0),
        CHILLER: Flow(chiller_kw * 250.0),
    }
    return replace(row, flows=flows, **details)  # type: ignore[arg-type] # names of a row


def at_s(text: str) -> int:
    """Return a local time in Unix seconds."""
    return round(at(text).timestamp())


def site(battery_kw: float = 5.0, **details: object) -> list[Quarter]:
    """Return two months. 18 March, 10:00: a job of an hour, 30 kW, the battery gives 5.

    Otherwise 10 kW: 6 of the rack, 3 of the chiller, 1 that no branch meters; and on 10
    March once 12 kW.
    """
    rows = {
        q.start.timestamp(): branched(q, 6.0, 3.0) for q in quarters("2026-02-01", "2026-04-01")
    }
    peak = at_s("2026-03-18T10:00")
    for n in range(4):
        told = {"load": 30.0 - n, "battery": battery_kw}
        noted = {"soc": 0.5 - 0.1 * n, "reason": Reason.PEAK, "target_w": 12_000.0, **details}
        rows[peak + 900 * n] = branched(quarter(peak + 900 * n, told), 24.0 - n, 5.0, **noted)
    rows[peak - 900] = replace(rows[peak - 900], soc=0.6)
    before = at_s("2026-03-10T15:00")
    rows[before] = branched(quarter(before, {"load": 12.0}), 8.0, 3.0)
    return list(rows.values())


def metered(rows: Iterable[Quarter]) -> Metered:
    """Return the windows of the ledger's rows."""
    listed = list(rows)
    return Metered.of(
        np.array([round(q.start.timestamp()) for q in listed], dtype=np.int64),
        np.array([q.import_wh for q in listed]),
        np.array([q.export_wh or 0.0 for q in listed]),
    )


def stories(
    rows: list[Quarter],
    priced: Tariff | None = None,
    battery: BatterySpec | None = SMALL,
    **chosen: str,
) -> list[PostMortem]:
    """Return what there is to tell."""
    starts = [q.start for q in rows]

    def between(since: datetime, until: datetime) -> list[Quarter]:
        return rows[bisect_left(starts, since) : bisect_left(starts, until)]

    return explain_peaks(priced or tariff(), metered(rows), between, battery=battery, **chosen)


@pytest.fixture(name="story", scope="module")
def story_fixture() -> PostMortem:
    (story,) = stories(site())
    return story


def test_the_billed_window_is_found_with_its_price(story: PostMortem) -> None:
    assert (story.charge, story.period) == ("peak", "2026-03")
    assert story.start == at("2026-03-18T10:00")
    assert story.mean_kw == story.billed == 25.0
    assert story.cost == 250.0
    assert story.load_kw == pytest.approx(30.0)


def test_branches_are_told_by_how_much_they_were_above_their_usual_level(story: PostMortem) -> None:
    rack, chiller, rest = story.parts
    assert (rack.asset_id, rack.power_kw, rack.usual_kw) == ("rack", 24.0, 6.0)
    assert rack.above_kw == 18.0
    assert (chiller.asset_id, chiller.above_kw) == ("chiller", 2.0)
    assert rest.asset_id is None
    assert rest.power_kw == pytest.approx(1.0)


def test_what_would_have_helped_is_measured_against_the_other_days(story: PostMortem) -> None:
    # 25, 24, 23 and 22 kW against the 12 kW of 10 March.
    assert story.level_kw == 12.0
    assert story.more_kw == 13.0
    assert story.more_kwh == pytest.approx((13 + 12 + 11 + 10) / 4)
    assert story.windows == 4
    assert story.avoidable == pytest.approx(130.0)
    assert [part.enough for part in story.parts] == [True, False, False]


def test_what_the_battery_did_is_told(story: PostMortem) -> None:
    assert story.battery is Battery.AT_LIMIT
    assert story.battery_kw == 5.0
    assert (story.soc_before, story.soc_after) == (0.6, 0.5)
    assert (story.reason, story.target_kw) == (Reason.PEAK, 12.0)


@pytest.mark.parametrize(
    ("battery_kw", "details", "spec", "cause"),
    [
        (0.0, {"reason": Reason.OFF, "commands": 0}, SMALL, Battery.OFF),
        (-2.0, {}, SMALL, Battery.CHARGED),
        (1.0, {"reason": Reason.EMPTY}, SMALL, Battery.EMPTY),
        (1.0, {"soc": 0.01}, SMALL, Battery.EMPTY),
        (1.0, {"target_w": 40_000.0}, SMALL, Battery.BELOW_TARGET),
        (1.0, {"reason": Reason.RESERVE}, SMALL, Battery.HELD_BACK),
        (1.0, {"reason": Reason.RESERVE}, None, Battery.HELD_BACK),
    ],
)
def test_why_the_battery_did_not_hold_it(
    battery_kw: float, details: dict[str, object], spec: BatterySpec | None, cause: Battery
) -> None:
    (story,) = stories(site(battery_kw, **details), battery=spec)
    assert story.battery is cause


def test_a_site_without_battery_is_told_so() -> None:
    rows = [
        replace(q, flows={c: f for c, f in q.flows.items() if "battery" not in c.role})
        for q in site(0.0)
    ]
    (story,) = stories(rows, battery=None)
    assert story.battery is Battery.NONE
    assert story.battery_kw is None


def test_an_earlier_period_can_be_asked_for() -> None:
    rows = site()
    (story,) = stories(rows, period="2026-02")
    assert (story.period, story.billed) == ("2026-02", 10.0)
    assert stories(rows, period="1999-01") == []
    assert stories(rows, charge="nothing") == []
    assert periods_of(tariff(), metered(rows)) == {"peak": ("2026-02", "2026-03")}


def test_the_first_day_of_a_period_is_measured_against_itself() -> None:
    day = list(quarters("2026-03-01", "2026-03-02", {"2026-03-01T10:00": {"load": 30.0}}))
    (story,) = stories(day)
    assert story.level_kw == 10.0
    assert all(part.usual_kw is None for part in story.parts)


def test_an_hourly_charge_looks_at_four_quarters() -> None:
    (story,) = stories(site(), tariff(window_min=60))
    assert story.start == at("2026-03-18T10:00")
    assert story.mean_kw == pytest.approx(23.5)
    assert story.parts[0].power_kw == pytest.approx(22.5)
    assert story.more_kwh == pytest.approx(23.5 - 10.5)


def test_excess_above_a_contract_is_avoided_down_to_it() -> None:
    over = tariff(basis="excess", contract_kw=20)
    (story,) = stories(site(), over)
    assert story.billed == 5.0
    assert story.level_kw == 20.0
    assert story.avoidable == pytest.approx(50.0)
    assert stories(site(), over, period="2026-02") == [], "no window was above the contract"


def test_apparent_power_is_told_in_active_power() -> None:
    kva = tariff(quantity="import_kva", power_factor=0.8)
    (story,) = stories(site(), kva)
    assert story.billed == pytest.approx(31.25)
    assert story.level_kw == pytest.approx(12.0)
    assert story.avoidable == pytest.approx(162.5)


def test_each_time_class_that_is_billed_has_its_story() -> None:
    two = read_tariff(
        {
            "tariff": {"timezone": BERLIN},
            "demand": [
                {
                    "name": "peak",
                    "window_min": 15,
                    "period": "month",
                    "classes": [{"name": "day", "hours": ["08:00-20:00"]}, {"name": "night"}],
                    "pick": {"op": "max", "per": "class"},
                    "rate_eur_per_kw": 10.0,
                }
            ],
        }
    )
    assert [story.slot for story in stories(site(), two)] == ["day", "night"]


def test_gaps_and_an_empty_ledger_are_no_trouble() -> None:
    assert stories([]) == []
    silent = [q for q in site() if q.start < at("2026-03-12") or q.start.day == 18]
    (story,) = stories(silent)
    assert story.parts[0].usual_kw == 6.0
    lone = replace(silent[-1], flows={IMPORT: Flow(10_000.0, 300.0)}, soc=None)
    (story,) = stories([*silent[:-1], lone])
    assert story.load_kw is None or story.load_kw >= 0.0


power_kw = st.floats(0.0, 1e4, width=32)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(power_kw, st.floats(-1e4, 1e4, width=32), power_kw), max_size=12),
    st.sampled_from(["be_flanders_lv", "de_annual_sheets", "es_30td", "no_elvia", "uk_duos"]),
)
def test_whatever_was_metered_the_story_is_made_of_numbers(
    drawn: list[tuple[float, float, float]], preset: str
) -> None:
    start = at_s("2026-03-28T23:00")
    rows = [
        branched(quarter(start + 2700 * n, {"load": load_kw, "battery": battery_kw}), rack_kw, 0.0)
        for n, (load_kw, battery_kw, rack_kw) in enumerate(drawn)
    ]
    for story in stories(rows, load_preset(preset)):
        numbers = [story.cost, story.more_kw, story.more_kwh, story.level_kw, story.avoidable]
        numbers += [part.power_kw for part in story.parts]
        assert all(math.isfinite(number) and number >= 0.0 for number in numbers)
        assert story.level_kw <= story.mean_kw
