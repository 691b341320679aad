"""Whatever comes over the wire: a reading of finite numbers or an error that names its cause."""

import asyncio
import logging
import math
from random import Random

from homeassistant.core import HomeAssistant
from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from custom_components.computeload.core.model import Quantity, Reading
from custom_components.computeload.drivers.base import Device, DeviceError, Scope
from custom_components.computeload.drivers.modbus import open_device
from custom_components.computeload.simulator.faults import Fault
from custom_components.computeload.simulator.server import SimulatedSite
from tests.common import build_lab
from tests.drivers.servers import HandClock, connected, shipped

from .lab import SHAVING_KW, Lab, controlled
from .liar import KINDS, Liar, Lie, lies
from .soak import Witness

DEVICES = ("grid", "cabinet1", "cabinet2", "roof", "branches")
TIMEOUT_S = 0.1
MOST_READS = 12
BACK_S = 40.0
STATE = "sensor.lab_controller_state"
KEEPING = {"shaving", "limiting", "charging", "discharging"}


def finite(reading: Reading) -> bool:
    """Tell whether every number of a reading is one."""
    values = [*reading.values.values(), *(v for each in reading.channels for v in each.values())]
    return all(math.isfinite(value) for value in values if isinstance(value, float))


async def outcome(device: Device, what: str) -> None:
    """Do something with a device; only the errors that are documented may come of it."""
    reading, said = None, None
    try:
        match what:
            case "identify":
                await device.identify()
            case "command":
                await device.command(1_000.0)
            case "release":
                await device.release()
            case scope:
                reading = await device.read(Scope(scope))
    except DeviceError as error:
        said = error
    assert reading is None or finite(reading)
    assert said is None or (str(said) and said.placeholders["device"])


@pytest.mark.parametrize("device_id", DEVICES)
def test_no_answer_makes_a_driver_fail_with_anything_but_its_own_errors(
    device_id: str, socket_enabled: None
) -> None:
    acts = ("identify", "fast", "full", "command", "release")

    async def lied_to(told: list[Lie], done: list[str]) -> None:
        site = build_lab()
        await site.start()
        endpoint = site.endpoints[device_id]
        liar = Liar({endpoint.unit_id: endpoint.port})
        liar.lies = told
        try:
            async with liar.running(), connected(liar.port, unit_id=endpoint.unit_id) as unit:
                profile = shipped(endpoint.profile)
                device = open_device(profile, unit, HandClock(), request_timeout_s=TIMEOUT_S)
                controlled = device.contract is not None
                for what in done:
                    if controlled or what not in {"command", "release"}:
                        await outcome(device, what)
                liar.lies = []
                # What was late is discarded, a broken link is opened again: then all is well.
                # A length that was a lie is believed until so many bytes have come.
                for attempt in range(MOST_READS):
                    try:
                        assert finite(await device.read(Scope.FULL))
                        break
                    except DeviceError:
                        assert attempt < MOST_READS - 1
                device.close()
        finally:
            await site.stop()

    @settings(
        max_examples=15,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        told=st.lists(lies(), min_size=1, max_size=12),
        done=st.lists(st.sampled_from(acts), min_size=1, max_size=5),
    )
    def never_fails(told: list[Lie], done: list[str]) -> None:
        asyncio.run(lied_to(told, done))

    never_fails()


def at_random(random: Random, number: int) -> list[Lie]:
    """Return lies for the whole loop: half of the answers are true."""
    return [
        (
            "truth" if random.random() < 0.5 else random.choice(KINDS),
            random.randrange(300),
            random.randbytes(random.randrange(1, 40)),
        )
        for _ in range(number)
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_link_that_lies_at_random_moves_no_battery_beyond_its_limits(
    hass: HomeAssistant, site: SimulatedSite, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    ports = {each.unit_id: each.port for each in site.endpoints.values()}
    assert len(ports) == 1, "each device has a liar of its own"
    random = Random(seed)  # noqa: S311 - lies, not secrets
    liar = Liar({1: site.endpoints["grid"].port})
    liar.lies = []
    async with (
        liar.running(),
        controlled(hass, site, SHAVING_KW, gateway=liar, behind=("grid",)) as lab,
    ):
        witness = Witness(site, lab.controller.settings.soc_min)
        with witness.watching():
            liar.lies = at_random(random, 120)
            while liar.lies:
                await lab.seconds(1.0)
                witness.look()
        assert witness.complaints == []
        # What it drew by its lies is made up for until the quarter ends; control is back.
        await lab.until(lambda: lab.state(STATE) not in {"safe", "islanded"}, within_s=BACK_S)
        assert lab.released != (lab.state(STATE) in KEEPING)
        assert lab.logged(caplog, logging.ERROR, "") == 0


ABSURD = (0.0, -1.0, 1e9, -1e9, 1e30)
TOLD = (
    Quantity.SOC,
    Quantity.POWER_W,
    Quantity.CAPACITY_WH,
    Quantity.CHARGE_LIMIT_W,
    Quantity.DISCHARGE_LIMIT_W,
)


@pytest.mark.parametrize("quantity", TOLD)
async def test_an_absurd_value_of_a_battery_moves_none_beyond_its_rating(
    shaving: Lab, quantity: Quantity
) -> None:
    lab = shaving
    witness = Witness(lab.site, lab.controller.settings.soc_min)
    with witness.watching():
        for value in ABSURD:
            for device_id in ("cabinet1", "cabinet2"):
                await lab.fault(device_id, Fault.WRONG_VALUES, quantity=quantity.value, value=value)
                witness.look()
                await lab.seconds(8.0)
            await lab.mend()
            await lab.seconds(12.0)
    assert [each for each in witness.complaints if "rating" in each] == []
    await lab.until(lambda: abs(lab.battery_w - 6_000.0) < 600.0, within_s=150.0)
