"""An outage in Home Assistant, over sockets: told in stages, ended by the user's script."""

from typing import Any

from homeassistant.core import HomeAssistant, ServiceCall
import pytest
from pytest_homeassistant_custom_component.common import async_mock_service

from custom_components.computeload.core.outage import STABLE_S
from custom_components.computeload.simulator.faults import Fault
from custom_components.computeload.simulator.server import SimulatedSite

from .lab import SHAVING_KW, Lab, controlled

NODES = ["branches#0", "branches#1"]
NODES_W = 8_000.0
STAGE = "sensor.lab_outage_stage"


def outage_options(**changes: Any) -> dict[str, Any]:
    """Return what a user chooses: the storage runs on, the first cabinet carries it."""
    chosen = {"protected": NODES, "islanding": ["cabinet1"], "shutdown_min": 5.0}
    return {"outage": chosen | changes}


def event(lab: Lab) -> dict[str, Any]:
    """Return the last event about the outage."""
    state = lab.hass.states.get("event.lab_outage")
    assert state is not None
    return dict(state.attributes)


async def test_an_outage_is_told_of_and_so_is_its_end(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    async with controlled(hass, site, SHAVING_KW, options=outage_options()) as lab:
        assert lab.state(STAGE) == "grid"
        await lab.fault("site", Fault.GRID_LOSS)
        await lab.until(lambda: lab.state(STAGE) == "hold", within_s=6.0)
        assert event(lab)["event_type"] == "hold"
        minutes = event(lab)["protected_minutes_left"]
        stored_wh = lab.cabinets[0].soc * lab.cabinets[0].spec.capacity_wh
        net_w = NODES_W - site.physics.pv_w
        assert minutes == pytest.approx(60.0 * 0.9 * stored_wh / net_w, rel=0.1)
        assert event(lab)["minutes_left"] < minutes
        assert lab.released
        await lab.seconds(30.0)
        assert not site.physics.dark

        await lab.mend()
        # A grid that flickers is no grid yet.
        await lab.seconds(STABLE_S / 2.0)
        assert lab.state(STAGE) == "hold"
        await lab.until(lambda: lab.state(STAGE) == "grid", within_s=STABLE_S + 15.0)
        assert event(lab)["event_type"] == "grid"


async def test_the_shutdown_script_is_called_in_time_and_once(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    calls: list[ServiceCall] = async_mock_service(hass, "script", "turn_on")
    # Beyond the promise there is less than the two hours that this shutdown takes.
    options = outage_options(script="script.shut_down", shutdown_min=120.0)
    async with controlled(hass, site, SHAVING_KW, options=options) as lab:
        await lab.call("number", "set_value", "number.lab_protected_time", value=480.0)
        await lab.fault("site", Fault.GRID_LOSS)
        await lab.until(lambda: lab.state(STAGE) == "shutdown", within_s=6.0)
        await lab.seconds(20.0)
        assert len(calls) == 1
        assert calls[0].data["entity_id"] == "script.shut_down"
        assert calls[0].data["variables"]["stage"] == "shutdown"
        assert calls[0].data["variables"]["minutes_left"] > 60


async def test_a_promised_time_is_kept_in_reserve(hass: HomeAssistant, site: SimulatedSite) -> None:
    async with controlled(hass, site, SHAVING_KW, options=outage_options()) as lab:
        reserve = "sensor.lab_reserve_in_force"
        assert float(lab.state(reserve)) == 10.0
        await lab.call("number", "set_value", "number.lab_protected_time", value=120.0)
        await lab.until(lambda: float(lab.state(reserve)) > 20.0, within_s=15.0)
        others_w = site.physics.load_w - NODES_W
        promised_wh = NODES_W * 2.0 + others_w * 5.0 / 60.0
        expected = 5.0 + 100.0 * promised_wh / 0.9**0.5 / lab.cabinets[0].spec.capacity_wh
        assert float(lab.state(reserve)) == pytest.approx(expected, abs=1.0)


async def test_batteries_are_full_when_a_planned_outage_begins(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    async with controlled(hass, site, SHAVING_KW, options=outage_options()) as lab:
        now = site.clock.now()
        soon = {"start": now.isoformat(), "end": now.replace(year=now.year + 1).isoformat()}
        await hass.services.async_call("computeload", "plan_outage", soon, blocking=True)
        await lab.until(lambda: lab.state("sensor.lab_reserve_in_force") == "100.0", within_s=10.0)
        assert lab.controller.limits().reserve == 1.0
        await hass.services.async_call("computeload", "cancel_outage", {}, blocking=True)
        await lab.until(lambda: lab.state("sensor.lab_reserve_in_force") == "10.0", within_s=10.0)
