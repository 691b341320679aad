"""The simulation of what might be, on a ledger of synthetic days."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.computeload.actions.base import Answer
from custom_components.computeload.actions.simulate import EVENT, RUNNING
from custom_components.computeload.core.ledger import (
    EXPORT,
    IMPORT,
    Channel,
    Flow,
    Origin,
    Quarter,
    Role,
)
from custom_components.computeload.core.sizing import YEAR_DAYS
from custom_components.computeload.plan_inputs import InputsOf

from .common import async_wait_for
from .test_actions import async_call
from .test_actions_ledger import async_fill

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 8
SMALL = {"capacity_kwh": 4, "charge_kw": 2}
LARGE = {"capacity_kwh": 8, "charge_kw": 4}
WITH_PEAKS = {
    "tariff": {"id": "peaks"},
    "energy": {"import_adder_eur_per_kwh": 0.1},
    "demand": [{"window_min": 15, "period": "month", "rate_eur_per_kw": 10}],
}


def quarter(index: int) -> Quarter:
    """Return a quarter: 10 kW from noon to three, when energy is dear, and 5 kW else."""
    busy = 48 <= index % 96 < 60
    return Quarter(
        start=START + index * timedelta(minutes=15),
        origin=Origin.COUNTER,
        flows={
            IMPORT: Flow(2_250.0 if busy else 1_250.0),
            EXPORT: Flow(0.0),
            Channel(Role.PV, "roof"): Flow(250.0 if busy else 0.0),
        },
        price_import=0.4 if busy else 0.1,
    )


def running(hass: HomeAssistant) -> dict[str, asyncio.Task[Answer]]:
    """Return the simulations that run."""
    return hass.data.get(RUNNING, {})


@pytest.fixture
async def site(hass: HomeAssistant, still_site: MockConfigEntry) -> MockConfigEntry:
    """Return a site that knows some days."""
    await async_fill(hass, still_site, [quarter(n) for n in range(DAYS * 96)])
    return still_site


async def test_the_sizing_question_is_answered_by_a_table(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    heard: list[Mapping[str, Any]] = []

    @callback
    def hear(event: Event) -> None:
        heard.append(event.data)

    hass.bus.async_listen(EVENT, hear)
    answer = await async_call(
        hass,
        "simulate",
        batteries=[{**SMALL, "price_per_kwh": 50}, {**LARGE, "price_per_kwh": 100_000}],
    )
    bare, small, large = answer["table"]
    day = 3 * 9.0 * 0.4 + 21 * 5.0 * 0.1
    assert bare["bill"] == pytest.approx(day * YEAR_DAYS, rel=1e-3)
    assert (bare["saving"], bare["battery"], bare["peak_kw"]) == (0.0, None, 9.0)
    assert 50.0 < small["saving"] < large["saving"] - 50.0
    assert 0.5 < small["share_of_bound"] <= 1.0
    assert small["payback_years"] == pytest.approx(200.0 / small["saving"], abs=0.06)
    assert large["payback_years"] is None, "it costs more than it ever saves"
    assert (small["rank"], bare["rank"], large["rank"]) == (1, 2, 3)
    assert answer["best"] == small
    assert answer["best_in_words"].startswith("Cheapest is 4 kWh, 2 kW")
    assert answer["known"] == {"load": 1.0, "price": 1.0, "pv": 1.0}
    assert answer["days"] == DAYS
    assert any("worked out from 8 days" in note for note in answer["notes"])
    await hass.async_block_till_done()
    assert heard[-1] == {
        "site": site.entry_id,
        "variant": large["name"],
        "done": 3,
        "of": 3,
        "progress": 1.0,
    }
    assert 0.0 <= heard[0]["progress"] < 0.5
    assert running(hass) == {}


async def test_tariffs_roofs_and_strategies_are_tried_together(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    answer = await async_call(
        hass,
        "simulate",
        batteries=SMALL,
        tariffs=["nl_ms", WITH_PEAKS],
        pv_peaks_kw=[0, 10],
        strategies=["peak_shaving"],
    )
    rows = answer["table"]
    assert [(row["tariff"], row["pv_peak_kw"], row["battery"] is None) for row in rows] == [
        (name, peak, bare)
        for name in ("nl_ms", "peaks")
        for peak in (0.0, 10.0)
        for bare in (True, False)
    ]
    assert rows[6]["demand"] == pytest.approx(12 * 10.0 * 8.0, rel=0.01), "10 kW less 2 of PV"
    assert rows[4]["peak_kw"] == 10.0
    assert "No battery has a price" in answer["notes"][-1]


async def test_only_one_simulation_runs_at_a_time_and_it_can_be_cancelled(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    assert await async_call(hass, "cancel_simulation") == {"cancelled": False}
    first = hass.async_create_task(async_call(hass, "simulate", batteries=[SMALL, LARGE]))
    await async_wait_for(lambda: bool(running(hass)))
    with pytest.raises(HomeAssistantError, match=r"simulation of Lab is running already\. Wait"):
        await async_call(hass, "simulate", batteries=SMALL)
    assert await async_call(hass, "cancel_simulation") == {"cancelled": True}
    with pytest.raises(HomeAssistantError, match="simulation of Lab was cancelled"):
        await first
    assert running(hass) == {}


async def test_a_script_that_is_stopped_ends_its_simulation(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    waiting = hass.async_create_task(async_call(hass, "simulate", batteries=[SMALL, LARGE]))
    await async_wait_for(lambda: bool(running(hass)))
    task = running(hass)[site.entry_id]
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert task.cancelled()
    assert running(hass) == {}


async def test_a_site_that_is_unloaded_ends_its_simulation(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    waiting = hass.async_create_task(async_call(hass, "simulate", batteries=[SMALL, LARGE]))
    await async_wait_for(lambda: bool(running(hass)))
    await hass.config_entries.async_unload(site.entry_id)
    with pytest.raises(HomeAssistantError, match="was cancelled"):
        await waiting


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"batteries": []}, r"batteries: \[\] cannot be used \(.*the list is empty.*\)"),
        ({"batteries": [5]}, r"batteries\.0: 5 cannot be used"),
        ({"batteries": [{"capacity_kwh": 5}]}, r"batteries\.0\.charge_kw: None cannot be used"),
        (
            {"batteries": [{**SMALL, "capacity_kwh": -1}]},
            r"batteries\.0\.capacity_kwh: -1 cannot be used \(it has to be from 0.1 to 100000\)",
        ),
        ({"batteries": [{**SMALL, "charge_kw": "nan"}]}, r"charge_kw: nan cannot be used"),
        ({"batteries": [{**SMALL, "efficiency_percent": 0.9}]}, r"0\.9 .*from 30 to 100"),
        ({"batteries": [{**SMALL, "colour": 1}]}, r"batteries\.0\.colour: 1 cannot be used"),
        (
            {"batteries": SMALL, "tariffs": ["de"]},
            r"tariffs\.0: de is no tariff .*: .*use one of .* Correct it",
        ),
        (
            {"batteries": SMALL, "tariffs": [{"energy": {"colour": 1}}]},
            r"tariffs\.0: .* is no tariff that can be used: energy.*colour",
        ),
        ({"batteries": SMALL, "tariffs": [["a"]]}, r"tariffs\.0: \['a'\] cannot be used"),
        (
            {"batteries": SMALL, "tariffs": ["uk_duos"]},
            r"tariffs\.0: uk_duos is no tariff .* its rates are in GBP, the tariff is in EUR",
        ),
        ({"batteries": SMALL, "pv_peaks_kw": [-1]}, r"pv_peaks_kw\.0: -1 cannot be used"),
        ({"batteries": SMALL, "strategies": ["observe"]}, r"strategies\.0: observe cannot be"),
        ({"batteries": SMALL, "lifetime_years": 0}, "lifetime_years: 0 cannot be used"),
        (
            {"batteries": [SMALL] * 5, "pv_peaks_kw": [1, 2, 3, 4, 5]},
            r"batteries: 25 variants are too many; at most 24",
        ),
        (
            {"batteries": SMALL, "since": "2026-03-05"},
            r"Too little of the past is known\. 5\.0 days .*, 7 are needed\. Choose a longer",
        ),
    ],
)
async def test_a_wrong_argument_of_a_simulation_is_told(
    hass: HomeAssistant,
    site: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    data: dict[str, Any],
    told: str,
) -> None:
    await hass.config.async_set_time_zone("UTC")
    with pytest.raises(HomeAssistantError, match=told):
        await async_call(hass, "simulate", **data)
    assert running(hass) == {}
    assert "Traceback" not in caplog.text


async def test_the_batteries_that_are_there_are_tried_where_none_are_given(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    answer = await async_call(hass, "simulate")
    bare, own = answer["table"]
    spec, _ = InputsOf(site).batteries()
    assert (bare["battery"], own["battery"]) == (None, "as it is")
    assert own["capacity_kwh"] == spec.capacity_wh / 1000.0 > 0.0
    assert own["saving"] > 50.0


async def test_a_site_without_batteries_has_to_say_what_to_try(
    hass: HomeAssistant, site: MockConfigEntry
) -> None:
    site.runtime_data.controller.view.batteries.clear()
    with pytest.raises(HomeAssistantError, match=r"batteries: none are given, and the site has"):
        await async_call(hass, "simulate")


async def test_a_site_without_pv_cannot_try_a_roof(
    hass: HomeAssistant, still_site: MockConfigEntry
) -> None:
    days = [
        Quarter(start=quarter(n).start, origin=Origin.COUNTER, flows={IMPORT: Flow(1_250.0)})
        for n in range(DAYS * 96)
    ]
    await async_fill(hass, still_site, days)
    with pytest.raises(HomeAssistantError, match=r"pv_peaks_kw: \[5.0\] cannot be tried.*Leave"):
        await async_call(hass, "simulate", batteries=SMALL, pv_peaks_kw=5)
    answer = await async_call(hass, "simulate", batteries=SMALL)
    assert any("No market price is known" in note for note in answer["notes"])
    assert answer["table"][1]["saving"] == pytest.approx(0.0, abs=1.0)


async def test_more_years_than_can_be_tried_in_reasonable_time_are_refused(
    hass: HomeAssistant, site: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.computeload.actions.simulate.MOST_DAYS", 15)
    with pytest.raises(
        HomeAssistantError, match=r"since: 8 days with 2 variants .* at most 8 days, or try fewer"
    ):
        await async_call(hass, "simulate", batteries=[SMALL, LARGE])
