"""The site's devices on the wire: what their endpoints say, and twelve at once."""

import asyncio

import pytest

from custom_components.computeload.core.model import AssetKind
from custom_components.computeload.simulator.scenario import load_scenario
from custom_components.computeload.simulator.server import Role, SimulatedSite

from .wire import Wire

W_701_SF = 116


def test_endpoints_tell_what_a_configuration_needs(site: SimulatedSite) -> None:
    ends = site.endpoints
    assert [e.role for e in ends.values()] == [
        Role.GRID,
        Role.BATTERY,
        Role.BATTERY,
        Role.PV,
        Role.BRANCH,
    ]
    assert ends["grid"].kind is AssetKind.METER
    assert ends["cabinet1"].capacity_wh == 40000
    assert ends["cabinet2"].discharge_w == 9000
    assert ends["roof"].rated_w == 5000
    assert ends["branches"].channels[0] == "CFD node 1"
    assert len({e.port for e in ends.values()}) == 5


async def test_a_cluster_of_twelve_devices_answers_everywhere(socket_enabled: None) -> None:
    site = SimulatedSite(load_scenario("climate-hpc"))
    await site.start()
    site.pause()
    wire = Wire(site)
    try:
        assert len(site.endpoints) >= 12
        for device_id, endpoint in site.endpoints.items():
            match endpoint.profile:
                case "eastron_sdm630":
                    assert await wire.value(device_id, 52, "f", function=4) > 0
                case "socomec_digiware":
                    assert await wire.value(device_id, 18432 + 44, "i") > 0
                case "openems_fems":
                    assert await wire.value(device_id, 420, "f") == 215000
                case _:
                    assert 1 in await wire.models(device_id)
        cabinet = (await wire.models("cabinet"))[701][1]
        assert cabinet[W_701_SF] == 1, "50 kW does not fit an int16 without a scale factor"
        cooling = site.physics.loads.branches["cooling"]
        assert await wire.value("cooling", 52, "f", function=4) == pytest.approx(cooling.power_w)
        answers = await asyncio.gather(*(Wire(site).models("hall") for _ in range(3)))
        assert answers[0] == answers[1] == answers[2]
    finally:
        wire.close()
        await site.stop()
