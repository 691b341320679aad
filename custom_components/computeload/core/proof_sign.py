"""Which way round: whether what a device calls positive is what we call positive.

A meter that was mounted the wrong way round agrees with itself in everything. It is given
away by what cannot be, a site that gives while nothing in it does, and by a battery that
is moved on purpose. The two are needed together where something is turned: a meter and a
battery that are both wrong agree with each other.
"""

from collections.abc import Callable
from typing import Final

from .overrides import Overrides
from .proof import About, Check, Finding, Fix, Part, Subject
from .proof_energy import SURE, Agreement, charge_agreement
from .proof_seen import LEAST_W, MOST_TIMES, Moment, SiteSeen, mean
from .proof_trial_judges import grid_step

AWAKE_W: Final = 100.0
AWAKE_SHARE: Final = 0.02
"""A device that moves less than this, as a share of its rating, may as well be asleep."""
REST_SHARE: Final = 0.005
"""The same for the site, as a share of its connection."""
SURE_RATIO: Final = 2.0
"""A state of charge that moved more than twice as much as the energy is not explained by it."""

INVERT: Final = Overrides(sign=-1)
SWAP_COUNTERS: Final = Overrides(swap_counters=True)


def upright(site: SiteSeen, moments: list[Moment]) -> bool | None:
    """Tell whether the grid meter's sign makes sense of the site; None while both do.

    No site consumes less than nothing. While more is drawn than is produced, only one of
    the two signs leaves a load that is possible.
    """
    if not moments or mean(abs(m.grid_w) for m in moments) < _least_w(site):
        return None

    def mostly(possible: Callable[[Moment], bool]) -> bool:
        return sum(map(possible, moments)) >= MOST_TIMES * len(moments)

    def as_said(m: Moment) -> bool:
        return m.load_w >= -m.doubt_w

    def turned(m: Moment) -> bool:
        return m.pv_w - m.grid_w - m.battery_w >= -m.doubt_w

    if mostly(as_said) and mostly(lambda m: not turned(m)):
        return True
    if mostly(turned) and mostly(lambda m: not as_said(m)):
        return False
    return None


def _least_w(site: SiteSeen) -> float:
    return max(2.0 * LEAST_W, REST_SHARE * site.connection_w)


def _moved(site: SiteSeen) -> int:
    """Return which way the grid meter moved with most of the batteries that were tried."""
    grid = site.grid
    total = sum(slope.sign for _, slope in site.steps_of(grid.asset_id)) if grid else 0
    return (total > 0) - (total < 0)


def grid_is_inverted(site: SiteSeen, moments: list[Moment]) -> bool | None:
    """Tell whether the grid meter has the wrong sign; None while nothing tells for sure."""
    makes_sense, moved = upright(site, moments), _moved(site)
    if makes_sense is None:
        untouched = not any(s.turned for s in site.of(Part.GRID, Part.BATTERY))
        return False if moved < 0 and untouched else None
    if makes_sense:
        return False
    if moved == 0:
        # A battery that says the opposite of what it does can look like that, too.
        alone = [m.pv_w + m.battery_w - m.grid_w >= -m.doubt_w for m in moments]
        return True if sum(alone) >= MOST_TIMES * len(alone) else None
    return True if moved > 0 else None


def judge_sign(
    site: SiteSeen, subject: Subject, moments: list[Moment], counted: Agreement | None
) -> Finding:
    """Return whether a device's power has the right sign."""
    match subject.part:
        case Part.GRID:
            return _grid_sign(site, subject, moments, counted)
        case Part.BATTERY:
            return _battery_sign(site, subject, moments)
        case _:
            return _one_way_sign(site, subject)


def _one_way_sign(site: SiteSeen, subject: Subject) -> Finding:
    """Judge what can be of one sign only: production, and consumption."""
    about = About(Check.SIGN, subject.asset_id)
    word = "pv" if subject.part is Part.PV else "load"
    mean_w = site.mean_w(subject)
    least_w = max(AWAKE_W, AWAKE_SHARE * (subject.rated_w or 0.0))
    if mean_w is None or abs(mean_w) < least_w:
        return about.waiting(f"sign_{word}_waiting")
    figures = {"power_w": abs(mean_w)}
    if mean_w > 0.0:
        return about.passed(f"sign_{word}_passed", figures)
    fix = Fix(asset_id=subject.asset_id, change=INVERT)
    return about.failed(f"sign_{word}_negative", figures, fix)


def _grid_sign(
    site: SiteSeen, subject: Subject, moments: list[Moment], counted: Agreement | None
) -> Finding:
    about = About(Check.SIGN, subject.asset_id)
    inverted, moved = grid_is_inverted(site, moments), _moved(site)
    figures = {"power_w": abs(mean(m.grid_w for m in moments)) if moments else 0.0}
    if inverted is False:
        return about.passed("sign_grid_by_trial" if moved < 0 else "sign_grid_passed", figures)
    if inverted is None and moved > 0:
        return about.failed("sign_grid_or_battery", figures)
    if inverted is None and moved < 0 and upright(site, moments) is False:
        return about.failed("sign_grid_source_missing", figures)
    if inverted is None:
        return about.waiting("sign_grid_waiting")
    # Counters that agree with the power were turned round together with it.
    change = INVERT
    if counted is not None and counted.doubt < SURE and counted.ratio > 0.0:
        change = change.then(SWAP_COUNTERS)
    key = "sign_grid_against_trial" if moved > 0 else "sign_grid_exports_at_rest"
    return about.failed(key, figures, Fix(asset_id=subject.asset_id, change=change))


def _battery_sign(site: SiteSeen, subject: Subject, moments: list[Moment]) -> Finding:
    about = About(Check.SIGN, subject.asset_id)
    fix = Fix(asset_id=subject.asset_id, change=INVERT)
    trial = site.trials.get(subject.asset_id)
    reading = trial.reading.sign if trial is not None and trial.reading is not None else 0
    inverted = grid_is_inverted(site, moments)
    if trial is not None and reading and inverted is not None:
        # What it really did is what the grid saw; without that, what it was asked for.
        did = -grid_step(site, trial, inverted) or 1
        if reading == did:
            return about.passed("sign_battery_by_trial")
        return about.failed("sign_battery_against_trial", fix=fix)
    charged = charge_agreement(subject, site.traces[subject.asset_id])
    if charged is None or abs(charged) > SURE_RATIO:
        return about.waiting("sign_battery_waiting")
    if charged > 0.0:
        return about.passed("sign_battery_by_charge")
    return about.failed("sign_battery_against_charge", fix=fix)
