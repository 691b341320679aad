"""Devices that do not say what is wrong with them are found out."""

from datetime import UTC, datetime, timedelta

from custom_components.computeload.core.model import Quantity, Reading
from custom_components.computeload.core.share import share
from custom_components.computeload.core.watch import (
    FOLLOW_S,
    FROZEN_S,
    FollowCheck,
    FreshnessCheck,
    plausible,
)

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def reading(second: float, power_w: float, voltage_v: float | None = 230.1) -> Reading:
    values = {Quantity.POWER_W: power_w}
    if voltage_v is not None:
        values[Quantity.VOLTAGE_L1_V] = voltage_v
    return Reading(at=START + timedelta(seconds=second), monotonic_s=second, values=values)


def test_a_meter_whose_values_move_is_as_old_as_its_last_reading() -> None:
    check = FreshnessCheck()
    for second in range(200):
        age_s = check.age_s(reading(float(second), 1000.0 + second), second + 0.4)
    assert round(age_s, 3) == 0.4


def test_values_that_stand_still_age_from_when_they_froze() -> None:
    check = FreshnessCheck()
    ages = [check.age_s(reading(float(s), 1234.5), float(s)) for s in range(int(FROZEN_S) + 10)]
    assert ages[int(FROZEN_S)] == 0.0
    assert ages[-1] == FROZEN_S + 9.0


def test_an_idle_meter_that_only_reports_zero_is_not_taken_for_frozen() -> None:
    check = FreshnessCheck()
    assert all(check.age_s(reading(float(s), 0.0, None), float(s)) == 0.0 for s in range(300))


def test_a_power_is_believed_that_the_connection_could_carry_for_a_moment() -> None:
    assert [plausible(w, 25_000.0) for w in (0.0, -30_000.0, 70_000.0)] == [True] * 3


def test_a_power_out_of_all_proportion_is_not_believed() -> None:
    values = (None, float("nan"), float("inf"), 5.0e6, -4.0e7)
    assert [plausible(w, 25_000.0) for w in values] == [False] * 5


def follows(check: FollowCheck, second: float, commanded_w: float | None, power_w: float) -> bool:
    return check.follows(
        now_s=second,
        commanded_w=commanded_w,
        changed_s=0.0,
        settle_s=2.0,
        power_w=power_w,
        limit_w=10_000.0,
    )


def test_a_battery_that_ignores_its_command_is_found_out_after_a_while() -> None:
    check = FollowCheck()
    told = [follows(check, float(s), 5_000.0, 0.0) for s in range(60)]
    assert told[: int(FOLLOW_S)] == [True] * int(FOLLOW_S)
    assert not told[-1]


def test_a_battery_at_its_own_limit_follows_well_enough() -> None:
    check = FollowCheck()
    assert all(follows(check, float(s), 15_000.0, 9_900.0) for s in range(100))


def test_a_released_battery_is_not_watched() -> None:
    check = FollowCheck()
    assert all(follows(check, float(s), None, 7_000.0) for s in range(100))


def test_sharing_gives_the_sum_or_all_there_is() -> None:
    assert share(10.0, [1.0, 3.0], [100.0, 100.0]) == [2.5, 7.5]
    assert share(10.0, [1.0, 3.0], [100.0, 4.0]) == [6.0, 4.0]
    assert share(10.0, [1.0, 1.0], [2.0, 3.0]) == [2.0, 3.0]
    assert share(10.0, [0.0, 1.0], [20.0, 20.0]) == [0.0, 10.0]
    assert share(0.0, [1.0], [5.0]) == [0.0]


def told_each_second(check: FollowCheck, second: int, power_w: float) -> bool:
    """Ask for another power every second, as a noisy load does."""
    return check.follows(
        now_s=float(second),
        commanded_w=5_000.0 + 900.0 * (second % 3),
        changed_s=float(second),
        settle_s=3.0,
        power_w=power_w,
        limit_w=10_000.0,
    )


def test_a_battery_that_ignores_its_commands_is_found_out_though_they_never_rest() -> None:
    check = FollowCheck()
    told = [told_each_second(check, second, 0.0) for second in range(40)]
    assert all(told[: int(FOLLOW_S)])
    assert not told[-1]


def test_a_battery_that_comes_late_after_restless_commands_follows() -> None:
    check = FollowCheck()
    late_w = [5_000.0 + 900.0 * (max(second - 2, 0) % 3) for second in range(60)]
    assert all(told_each_second(check, second, late_w[second]) for second in range(60))
    assert check.sure


def test_a_battery_on_its_way_to_its_first_command_follows() -> None:
    check = FollowCheck()
    assert all(follows(check, second / 10.0, 5_000.0, 250.0 * second) for second in range(20))
    assert not check.sure


def test_it_is_known_for_how_long_a_battery_strays() -> None:
    check = FollowCheck()
    for second in range(10):
        follows(check, float(second), 5_000.0, 5_000.0 if second < 4 else -3_000.0)
    assert check.strayed_s(10.0) == 6.0
    for second in range(10, 14):
        follows(check, float(second), 5_000.0, 4_900.0)
    assert check.strayed_s(14.0) == 0.0


def test_a_battery_that_two_masters_pull_at_is_found_out() -> None:
    check = FollowCheck()
    told = [follows(check, float(s), 5_000.0, (-3_000.0, 5_000.0)[s % 3 == 0]) for s in range(60)]
    assert False in told
