"""What a battery's trial says: the command works, as asked, in time, and is given up again."""

from typing import Final

from .overrides import Overrides
from .proof import About, Check, Finding, Fix, Slope, Subject, TrialResult, Verdict
from .proof_seen import SiteSeen

ACCURACY: Final = 0.25
WRONG: Final = ("refused",)
"""What ended a trial and is the battery's own fault."""
SLOW_S: Final = 20.0
"""A control loop that sees a battery react so late cannot tell it from one that ignores it."""


def grid_step(site: SiteSeen, trial: TrialResult, inverted: bool | None) -> int:  # noqa: FBT001
    """Return which way the grid really moved with a battery; 0 where that is not clear.

    ``inverted`` tells whether the grid meter is held to have the wrong sign.
    """
    meter = trial.meters.get(site.grid.asset_id) if site.grid is not None else None
    return (meter.sign if meter is not None else 0) * (-1 if inverted else 1)


def judge_trial(site: SiteSeen, subject: Subject, inverted: bool | None) -> Finding:  # noqa: FBT001
    """Return whether a battery does what it is told."""
    about = About(Check.COMMAND, subject.asset_id)
    trial = site.trials.get(subject.asset_id)
    if trial is None:
        return about.waiting("command_not_tried")
    figures = {
        "power_w": trial.power_w,
        "delay_s": trial.delay_s or 0.0,
        "percent": 100.0 * (trial.error_share or 0.0),
    }
    if trial.stopped is not None:
        verdict = Verdict.FAILED if trial.stopped in WRONG else Verdict.WAITING
        return about.found(verdict, f"trial_{trial.stopped}", figures)
    if (reading := trial.reading) is None:
        return about.waiting("command_few_readings", figures)
    meter = trial.meters.get(site.grid.asset_id) if site.grid is not None else None
    step = grid_step(site, trial, inverted)
    if step > 0 and inverted is None:
        return about.waiting("command_meter_first", figures)
    if step > 0:
        fix = Fix(asset_id=subject.asset_id, change=Overrides(command_sign=-1))
        return about.failed("command_other_way", figures, fix)
    verdict, key = _answer(trial, reading, meter, step)
    if inverted and verdict is Verdict.PASSED:
        verdict, key = Verdict.WAITING, "command_meter_first"
    return about.found(verdict, key, figures)


def _answer(
    trial: TrialResult, reading: Slope, meter: Slope | None, step: int
) -> tuple[Verdict, str]:
    """Judge whether the command was seen, by the battery itself and by the meter."""
    if reading.blind:
        return Verdict.FAILED, "command_not_seen" if step else "command_ignored"
    if not reading.clear or meter is None or not (meter.clear or meter.blind):
        return Verdict.WAITING, "command_restless"
    if reading.factor == meter.factor == 1.0 and reading.sign > 0 and not meter.blind:
        return _finesse(trial)
    doubts = {
        "command_unseen_by_grid": (meter.blind, Verdict.FAILED),
        "command_reading_first": (reading.sign < 0, Verdict.WAITING),
        "command_inaccurate": (reading.factor is None, Verdict.FAILED),
        "command_restless": (meter.factor is None, Verdict.WAITING),
    }
    for key, (present, verdict) in doubts.items():
        if present:
            return verdict, key
    return Verdict.WAITING, "command_unit_first"


def _finesse(trial: TrialResult) -> tuple[Verdict, str]:
    """Judge how well a command was carried out that went the right way."""
    faults = {
        "command_inaccurate": (trial.error_share or 0.0) > ACCURACY,
        "command_slow": (trial.delay_s or 0.0) > SLOW_S,
        "command_not_released": trial.released is False,
        "command_not_lapsed": trial.lapsed is False,
    }
    for key, present in faults.items():
        if present:
            return Verdict.FAILED, key
    return Verdict.PASSED, "command_passed" if trial.lapsed is None else "command_passed_lapsed"
