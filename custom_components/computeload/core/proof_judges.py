"""What is wrong with a site's devices, judged from what they said.

Every judge yields one finding, and accuses only of what nothing sound could explain: a
site at night, without PV, at a constant load or at none is never accused. Where two
devices contradict each other, the one is accused whose mistake explains more.
"""

from collections.abc import Iterator
from typing import Final

from .overrides import Overrides
from .proof import SITE, About, Check, Finding, Fix, Part, Subject, Verdict
from .proof_energy import SURE, Agreement, agreement
from .proof_seen import LEAST_MOMENTS, LEAST_SPAN_S, LEAST_W, MOST_TIMES, Moment, SiteSeen, mean
from .proof_sign import INVERT, SWAP_COUNTERS, grid_is_inverted, judge_sign
from .proof_trial_judges import judge_trial
from .watch import PLAUSIBLE_CONNECTIONS

LEAST_HEARD: Final = 5
MISSED_SHARE: Final = 0.2
FEW_TIMES: Final = 0.2
UNIT_LEAST_SHARE: Final = 0.02
UNIT_MOST_SHARE: Final = 1.2
BIG_APPARENT_VA: Final = 1000.0
METER_TOLERANCE: Final = 0.05
SOURCE_TOLERANCE: Final = 0.25
"""Batteries and inverters may count on their DC side."""


def judge(site: SiteSeen) -> tuple[Finding, ...]:
    """Return what every check says now."""
    moments = site.moments()
    found: list[Finding] = []
    for subject in site.subjects:
        found += _judge_asset(site, subject, moments)
    found.append(_balance(site, moments, found))
    return tuple(found)


def _judge_asset(site: SiteSeen, subject: Subject, moments: list[Moment]) -> Iterator[Finding]:
    counted = agreement(subject, site.traces[subject.asset_id])
    yield _freshness(site, subject)
    unit = _unit(site, subject, counted)
    yield unit
    sign = judge_sign(site, subject, moments, counted)
    yield sign
    if subject.part in (Part.GRID, Part.BRANCH):
        yield _role(site, subject, moments)
        yield _phases(site, subject, moments)
    yield _counters(subject, counted, sign, unit)
    yield About(Check.CLOCK, subject.asset_id).skipped("clock_not_told")
    if subject.controllable:
        yield judge_trial(site, subject, grid_is_inverted(site, moments))


# -- is it heard ---------------------------------------------------------------------------


def _freshness(site: SiteSeen, subject: Subject) -> Finding:
    trace = site.traces[subject.asset_id]
    polls = len(trace.polls)
    figures = {"missed": float(trace.missed), "polls": float(polls)}
    about = About(Check.FRESHNESS, subject.asset_id)
    # A battery that rests says the same for hours, and so does an inverter at night.
    if trace.frozen and subject.part not in (Part.BATTERY, Part.PV):
        return about.failed("freshness_frozen")
    if polls < LEAST_HEARD:
        return about.waiting("freshness_waiting", figures)
    if trace.missed > MISSED_SHARE * polls:
        return about.failed("freshness_missed", figures)
    if not trace.moved:
        return about.waiting("freshness_still", figures)
    return about.passed("freshness_passed", figures)


# -- unit ----------------------------------------------------------------------------------


def _unit(site: SiteSeen, subject: Subject, counted: Agreement | None) -> Finding:
    factor = (
        _unit_by_trial(site, subject)
        or _unit_by_volts(site, subject)
        or _unit_by_size(site, subject)
        or _unit_by_counters(counted)
    )
    if factor is None:
        return About(Check.UNIT, subject.asset_id).waiting("unit_waiting")
    latest = site.traces[subject.asset_id].latest
    figures = {"power_w": abs(latest.power_w) if latest else 0.0}
    if factor == 1.0:
        return About(Check.UNIT, subject.asset_id).passed("unit_passed", figures)
    key = "unit_too_small" if factor > 1.0 else "unit_too_large"
    fix = Fix(asset_id=subject.asset_id, change=Overrides(scale=factor))
    return About(Check.UNIT, subject.asset_id).failed(key, figures, fix)


def _unit_by_trial(site: SiteSeen, subject: Subject) -> float | None:
    """Return what the power has to be multiplied by, from how it moved with a battery."""
    if subject.part is Part.BATTERY:
        trial = site.trials.get(subject.asset_id)
        slopes = [trial.reading] if trial is not None and trial.reading is not None else []
    else:
        slopes = [slope for _, slope in site.steps_of(subject.asset_id)]
    factors = {slope.factor for slope in slopes if slope.clear}
    return factors.pop() if len(factors) == 1 else None


def _unit_by_volts(site: SiteSeen, subject: Subject) -> float | None:
    """Return the same from volts times amperes, which a real power cannot exceed."""
    ratios = []
    for sample in site.traces[subject.asset_id].since(60.0):
        if sample.apparent_va is None or sample.apparent_va < 0.05 * BIG_APPARENT_VA:
            continue
        power_w = sum(map(abs, sample.phases_w)) if sample.phases_w else abs(sample.power_w)
        ratios.append((power_w / sample.apparent_va, sample.apparent_va))
    if len(ratios) < LEAST_HEARD:
        return None

    def mostly(low: float, high: float, least_va: float = 0.0) -> bool:
        fits = [low <= ratio <= high and va >= least_va for ratio, va in ratios]
        return sum(fits) >= MOST_TIMES * len(fits)

    if mostly(0.1, 1.3):
        return 1.0
    if mostly(300.0, 1300.0):
        return 0.001
    # Next to nothing is also what a meter says behind which only filters hang.
    return 1000.0 if mostly(0.0003, 0.0012, BIG_APPARENT_VA) else None


def _unit_by_size(site: SiteSeen, subject: Subject) -> float | None:
    """Return the same from what the asset can carry at all."""
    most_w = subject.rated_w if subject.part in (Part.BATTERY, Part.PV) else site.connection_w
    samples = site.traces[subject.asset_id].since(60.0)
    if not most_w or len(samples) < LEAST_HEARD:
        return None
    sizes = sorted(abs(sample.power_w) for sample in samples)
    typical_w = sizes[len(sizes) // 2]
    if typical_w > PLAUSIBLE_CONNECTIONS * most_w:
        return 0.001
    # A thousand times more or less than this could not be real.
    fits = UNIT_LEAST_SHARE * most_w <= typical_w <= UNIT_MOST_SHARE * most_w
    return 1.0 if fits and subject.part not in (Part.LOAD, Part.BRANCH) else None


def _unit_by_counters(counted: Agreement | None) -> float | None:
    if counted is None or counted.doubt > SURE:
        return None
    return 1.0 if 0.5 <= abs(counted.ratio) <= 2.0 else counted.factor  # noqa: PLR2004 - far from 1000


# -- role ----------------------------------------------------------------------------------


def _role(site: SiteSeen, subject: Subject, moments: list[Moment]) -> Finding:
    if subject.part is Part.GRID:
        return _grid_role(site, subject)
    asset_id = subject.asset_id
    seen = [(m.branches_w[asset_id], m) for m in moments if asset_id in m.branches_w]
    if not seen or site.grid is None:
        return About(Check.ROLE, subject.asset_id).waiting("role_waiting")
    above = [w > m.load_w + m.doubt_w + 0.2 * abs(m.load_w) for w, m in seen]
    branch_w, load_w = mean(w for w, _ in seen), mean(m.load_w for _, m in seen)
    figures = {"power_w": branch_w, "load_w": load_w}
    if sum(above) <= FEW_TIMES * len(above):
        return About(Check.ROLE, subject.asset_id).passed("role_branch_passed", figures)
    # A load below nothing is the balance's concern, not that of the branch.
    sound = all(m.load_w >= -m.doubt_w for m in moments)
    if sum(above) < MOST_TIMES * len(above) or not sound:
        return About(Check.ROLE, subject.asset_id).waiting("role_waiting")
    fix = None
    if 300.0 * max(load_w, 1.0) <= branch_w <= 3000.0 * max(load_w, 1.0):
        fix = Fix(asset_id=asset_id, change=Overrides(scale=0.001))
    elif not any(slope.sign for _, slope in site.steps_of(site.grid.asset_id)):
        fix = Fix(asset_id=asset_id, swap_with=site.grid.asset_id)
    return About(Check.ROLE, subject.asset_id).failed("role_branch_above_site", figures, fix)


def _grid_role(site: SiteSeen, subject: Subject) -> Finding:
    slopes = [slope for _, slope in site.steps_of(subject.asset_id)]
    if any(slope.sign for slope in slopes):
        return About(Check.ROLE, subject.asset_id).passed("role_grid_passed")
    if not slopes or not all(slope.blind for slope in slopes):
        return About(Check.ROLE, subject.asset_id).waiting("role_waiting")
    moving = [
        branch.asset_id
        for branch in site.of(Part.BRANCH)
        if any(slope.sign < 0 for _, slope in site.steps_of(branch.asset_id))
    ]
    fix = Fix(asset_id=subject.asset_id, swap_with=moving[0]) if moving else None
    key = "role_grid_other_moves" if moving else "role_grid_blind"
    return About(Check.ROLE, subject.asset_id).failed(key, fix=fix)


# -- phases --------------------------------------------------------------------------------


def _phases(site: SiteSeen, subject: Subject, moments: list[Moment]) -> Finding:
    samples = site.traces[subject.asset_id].since(60.0)
    told = [(s.phases_w, s.power_w) for s in samples if s.phases_w is not None]
    if not told:
        return About(Check.PHASES, subject.asset_id).skipped("phases_not_told")
    phases = [mean(each[i] for each, _ in told) for i in range(3)]
    total_w = mean(total for _, total in told)
    figures = {"total_w": total_w, "sum_w": sum(phases)}
    enough = len(told) >= LEAST_MOMENTS and samples[-1].at_s - samples[0].at_s >= LEAST_SPAN_S
    if not enough or (sum(map(abs, phases)) < LEAST_W and abs(total_w) < LEAST_W):
        return About(Check.PHASES, subject.asset_id).waiting("phases_waiting")
    # The phases may be polled less often than the total: after a jump they are behind it.
    apart = [abs(sum(each) - total) > LEAST_W + 0.1 * sum(map(abs, each)) for each, total in told]
    if sum(apart) >= MOST_TIMES * len(apart):
        return About(Check.PHASES, subject.asset_id).failed("phases_sum", figures)
    turned = _turned_phase(subject, moments, [each for each, _ in told])
    if turned is not None:
        l1, l2, l3 = (-1 if index == turned else 1 for index in range(3))
        fix = Fix(asset_id=subject.asset_id, change=Overrides(phase_signs=(l1, l2, l3)))
        figures = {"phase": turned + 1.0, "power_w": abs(phases[turned])}
        return About(Check.PHASES, subject.asset_id).failed("phases_turned", figures, fix)
    return About(Check.PHASES, subject.asset_id).passed("phases_passed", figures)


def _turned_phase(
    subject: Subject, moments: list[Moment], told: list[tuple[float, float, float]]
) -> int | None:
    """Return the one phase that gives while the others take, and nothing could give there."""

    def mostly(index: int, sign: float) -> bool:
        return sum(sign * each[index] > LEAST_W for each in told) >= MOST_TIMES * len(told)

    negative = [index for index in range(3) if mostly(index, -1.0)]
    positive = [index for index in range(3) if mostly(index, 1.0)]
    # Whether something feeds in behind a branch is not known.
    if len(negative) != 1 or not positive or subject.part is Part.BRANCH or not moments:
        return None
    given_w = mean(abs(m.pv_w) + abs(m.battery_w) for m in moments)
    phase_w = abs(mean(each[negative[0]] for each in told))
    # No phase can give more than all sources together.
    return negative[0] if phase_w > 1.1 * given_w + LEAST_W else None


# -- counters ------------------------------------------------------------------------------


def _counters(subject: Subject, counted: Agreement | None, sign: Finding, unit: Finding) -> Finding:
    if counted is None or counted.doubt > SURE:
        return About(Check.COUNTERS, subject.asset_id).waiting("counters_waiting")
    source = subject.part in (Part.BATTERY, Part.PV)
    tolerance = SOURCE_TOLERANCE if source else METER_TOLERANCE
    figures = {"percent": 100.0 * counted.ratio, "minutes": counted.span_s / 60.0}
    if counted.near(1.0, tolerance):
        return About(Check.COUNTERS, subject.asset_id).passed("counters_passed", figures)
    asset_id = subject.asset_id
    if counted.near(-1.0, tolerance + 0.1):
        # A sign that was proven otherwise leaves only the counters to be wrong.
        change = SWAP_COUNTERS if sign.verdict is Verdict.PASSED else INVERT
        both = sign.verdict is not Verdict.FAILED
        fix = Fix(asset_id=asset_id, change=change) if both else None
        return About(Check.COUNTERS, subject.asset_id).failed("counters_other_way", figures, fix)
    if (factor := counted.factor) is not None:
        fix = None
        if unit.verdict is Verdict.PASSED:
            fix = Fix(asset_id=asset_id, change=Overrides(counter_scale=1.0 / factor))
        return About(Check.COUNTERS, subject.asset_id).failed("counters_unit", figures, fix)
    return About(Check.COUNTERS, subject.asset_id).failed("counters_drift", figures)


# -- balance -------------------------------------------------------------------------------


def _balance(site: SiteSeen, moments: list[Moment], found: list[Finding]) -> Finding:
    about = About(Check.BALANCE, SITE)
    if not moments:
        return about.waiting("balance_waiting")
    load_w = mean(m.load_w for m in moments)
    figures = {"load_w": abs(load_w)}
    share = sum(m.load_w < -m.doubt_w for m in moments) / len(moments)
    if share <= FEW_TIMES:
        return about.passed("balance_passed", figures)
    if share < MOST_TIMES:
        return about.waiting("balance_waiting")
    known = {f.asset_id for f in found if f.check is Check.SIGN and f.verdict is Verdict.PASSED}
    accused = any(f.check is Check.SIGN and f.verdict is Verdict.FAILED for f in found)
    suspects = [] if accused else list(_suspects(site, moments, known))
    if len(suspects) == 1:
        fix = Fix(asset_id=suspects[0], change=INVERT)
        return about.failed("balance_one_turned", figures, fix)
    key = "balance_negative" if suspects or accused else "balance_source_missing"
    return about.failed(key, figures)


def _suspects(site: SiteSeen, moments: list[Moment], known: set[str]) -> Iterator[str]:
    """Yield the assets of which one alone, turned round, would make the balance possible."""
    for subject in site.of(Part.GRID, Part.BATTERY):
        if subject.asset_id in known:
            continue
        turned = [
            m.load_w
            - 2.0 * (m.grid_w if subject.part is Part.GRID else m.batteries_w[subject.asset_id])
            for m in moments
        ]
        fits = [load_w >= -m.doubt_w for load_w, m in zip(turned, moments, strict=True)]
        if sum(fits) >= (1.0 - FEW_TIMES) * len(fits):
            yield subject.asset_id
