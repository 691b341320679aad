"""A user's corrections undo a mistake, and nothing else."""

from datetime import UTC, datetime

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.core.model import Contract, Identity, Quantity, Reading
from custom_components.computeload.core.overrides import Overrides
from custom_components.computeload.drivers.base import Datasheet, Scope
from custom_components.computeload.drivers.corrected import CorrectedDevice

SIGNS = st.sampled_from([1, -1])
overrides = st.builds(
    Overrides,
    sign=SIGNS,
    scale=st.sampled_from([1.0, 1000.0, 0.001]),
    phase_signs=st.tuples(SIGNS, SIGNS, SIGNS),
    swap_counters=st.booleans(),
    counter_scale=st.sampled_from([1.0, 1000.0, 0.001]),
    command_sign=SIGNS,
)
VALUES: dict[Quantity, float | str] = {
    Quantity.POWER_W: 600.0,
    Quantity.POWER_L1_W: 300.0,
    Quantity.POWER_L2_W: 200.0,
    Quantity.POWER_L3_W: 100.0,
    Quantity.VOLTAGE_L1_V: 230.0,
    Quantity.ENERGY_IMPORT_WH: 5_000.0,
    Quantity.ENERGY_EXPORT_WH: 70.0,
    Quantity.SETPOINT_W: -50.0,
    Quantity.STATE: "on",
}


def reading(**without: bool) -> Reading:
    values = {q: v for q, v in VALUES.items() if q not in without}
    return Reading(at=datetime(2026, 1, 1, tzinfo=UTC), monotonic_s=1.0, values=values)


def test_no_correction_changes_nothing() -> None:
    assert Overrides().corrected(reading()).values == VALUES
    assert Overrides().to_data() == {}


def test_a_turned_meter_is_turned_back_with_its_phases_but_not_its_voltage() -> None:
    values = Overrides(sign=-1, scale=1000.0).corrected(reading()).values
    assert values[Quantity.POWER_W] == -600_000.0
    assert values[Quantity.POWER_L3_W] == -100_000.0
    assert values[Quantity.VOLTAGE_L1_V] == 230.0
    assert values[Quantity.ENERGY_IMPORT_WH] == 5_000.0
    assert values[Quantity.STATE] == "on"


def test_a_turned_phase_is_taken_out_of_the_total() -> None:
    values = Overrides(phase_signs=(1, -1, 1)).corrected(reading()).values
    assert values[Quantity.POWER_L2_W] == -200.0
    assert values[Quantity.POWER_W] == 200.0


def test_without_the_turned_phase_the_total_is_not_known() -> None:
    values = Overrides(phase_signs=(1, -1, 1)).corrected(reading(power_l2_w=True)).values
    assert Quantity.POWER_W not in values


def test_counters_are_swapped_also_where_there_is_only_one() -> None:
    both = Overrides(swap_counters=True).corrected(reading()).values
    assert (both[Quantity.ENERGY_IMPORT_WH], both[Quantity.ENERGY_EXPORT_WH]) == (70.0, 5_000.0)
    one = Overrides(swap_counters=True).corrected(reading(energy_export_wh=True)).values
    assert Quantity.ENERGY_IMPORT_WH not in one
    assert one[Quantity.ENERGY_EXPORT_WH] == 5_000.0


@given(overrides)
def test_what_is_stored_is_what_is_read_back(each: Overrides) -> None:
    assert Overrides.from_data(each.to_data()) == each


@given(overrides)
def test_the_same_correction_twice_takes_its_signs_back(each: Overrides) -> None:
    twice = each.then(each)
    assert (twice.sign, twice.phase_signs, twice.command_sign) == (1, (1, 1, 1), 1)
    assert not twice.swap_counters


class Recorded:
    """A device that writes down what it is asked."""

    datasheet = Datasheet(
        id="x", title="X", manufacturer="Y", quantities=frozenset(), poll_s=1.0, least_poll_s=0.1
    )
    contract: Contract | None = None

    def __init__(self) -> None:
        """Start with nothing asked."""
        self.asked: list[object] = []

    async def identify(self) -> Identity:
        """Say who it is."""
        return Identity(serial="7")

    async def read(self, scope: Scope) -> Reading:
        """Read."""
        self.asked.append(scope)
        return reading()

    async def command(self, power_w: float) -> None:
        """Take a command."""
        self.asked.append(power_w)

    async def release(self) -> None:
        """Take a release."""
        self.asked.append(None)


@pytest.mark.parametrize(("sign", "told_w"), [(1, 700.0), (-1, -700.0)])
async def test_a_device_is_commanded_and_read_the_right_way_round(sign: int, told_w: float) -> None:
    device = Recorded()
    corrected = CorrectedDevice(device, Overrides(command_sign=sign))
    assert (await corrected.identify()).serial == "7"
    await corrected.command(700.0)
    await corrected.release()
    read = await corrected.read(Scope.FAST)
    assert device.asked == [told_w, None, Scope.FAST]
    assert read.number(Quantity.SETPOINT_W) == -50.0 * sign
    assert corrected.contract is None
    assert corrected.datasheet is device.datasheet


async def test_a_turned_phase_is_always_read_together_with_the_total() -> None:
    device = Recorded()
    await CorrectedDevice(device, Overrides(phase_signs=(-1, 1, 1))).read(Scope.FAST)
    assert device.asked == [Scope.FULL]
