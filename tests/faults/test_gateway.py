"""Devices behind a gateway: it has few places, is slow, and serves others as well."""

from collections.abc import AsyncIterator
from dataclasses import replace
import logging

from homeassistant.core import HomeAssistant
import pytest

from custom_components.computeload.simulator.server import SimulatedSite
from custom_components.computeload.simulator.spec import Scenario

from .gateway import Gateway, Neighbour
from .lab import SHAVING_KW, Lab, controlled, islanding_lab

LAPSE_S = 60.0
SAFE_S = 8.0
BACK_S = 36.0
STATE = "sensor.lab_controller_state"


@pytest.fixture(name="scenario")
def scenario_fixture() -> Scenario:
    """Return the lab, its devices numbered as on one bus."""
    lab = islanding_lab()
    wires = (replace(wire, unit_id=n) for n, wire in enumerate(lab.wires, 1))
    return replace(lab, wires=tuple(wires))


def gateway_of(site: SimulatedSite, **kind: float) -> Gateway:
    """Return a gateway in front of all devices of the site."""
    ports = {each.unit_id: each.port for each in site.endpoints.values()}
    return Gateway(ports, **kind)  # type: ignore[arg-type]


@pytest.fixture(name="one_client")
async def one_client_fixture(site: SimulatedSite) -> AsyncIterator[Gateway]:
    """Return a gateway that accepts one client at a time."""
    async with gateway_of(site, clients=1).running() as gateway:
        yield gateway


@pytest.fixture(name="lab")
async def lab_fixture(
    hass: HomeAssistant, site: SimulatedSite, one_client: Gateway
) -> AsyncIterator[Lab]:
    """Return a lab all of whose devices are behind that gateway."""
    behind = tuple(site.endpoints)
    async with controlled(hass, site, SHAVING_KW, gateway=one_client, behind=behind) as lab:
        yield lab


async def test_a_gateway_with_one_client_serves_all_devices(lab: Lab, one_client: Gateway) -> None:
    shaved_w = lab.battery_w
    assert shaved_w > 5_500.0
    for _ in range(30):
        await lab.seconds(1.0)
        assert lab.battery_w == pytest.approx(shaved_w, rel=0.02)
    assert (one_client.most_clients, one_client.turned_away) == (1, 0)
    assert all(device.last_update_success for device in lab.runtime.devices.values())


async def test_a_gateway_whose_only_place_was_taken_is_asked_until_it_is_free(
    lab: Lab, one_client: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    shaved_w = lab.battery_w
    one_client.room = 0
    one_client.hang_up()
    await lab.until(lambda: lab.state(STATE) == "safe", within_s=SAFE_S)
    # Nobody can tell the batteries anything: they lapse.
    await lab.until(lambda: [c.command_w for c in lab.cabinets] == [None, None], within_s=LAPSE_S)
    assert lab.issue("meter_silent", "grid")
    tried = one_client.turned_away
    await lab.seconds(60.0)
    assert one_client.turned_away - tried < 60
    assert lab.logged(caplog, logging.WARNING, "Battery cabinet 1: not available") == 1

    one_client.room = 1
    await lab.until(lambda: lab.battery_w > 0.9 * shaved_w, within_s=BACK_S)
    assert one_client.most_clients == 1


async def test_a_slow_gateway_that_others_use_as_well_costs_no_shaving(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    async with (
        gateway_of(site, request_s=0.15).running() as gateway,
        Neighbour(gateway.port, every_s=0.0).running() as neighbour,
        controlled(hass, site, SHAVING_KW, gateway=gateway, behind=("grid", "branches")) as lab,
    ):
        await lab.seconds(20.0)
        shaved_w, answers = lab.battery_w, neighbour.answers
        for _ in range(60):
            await lab.seconds(1.0)
            assert lab.battery_w == pytest.approx(shaved_w, rel=0.05)
            age_s = lab.controller.data.data_age_s
            assert age_s is not None
            assert age_s < 3.0
        assert all(device.last_update_success for device in lab.runtime.devices.values())
        assert neighbour.answers - answers > 60
        assert site.physics.grid_w <= 1020.0 * SHAVING_KW
