"""A plan in words: for each step a sentence with the figures that its reason rests on."""

from collections.abc import Iterator

from .plan import Plan, PlanProblem, PlanReason


def sentences(problem: PlanProblem, plan: Plan, currency: str) -> Iterator[str]:
    """Yield a sentence for each step of a plan; ``problem`` is what the plan was made from."""
    cheapest = _price(problem.import_price.min(), currency)
    dearest = _price(problem.import_price.max(), currency)
    limit_w = problem.import_limit_w
    limit = "" if limit_w is None else f" of {_kw(limit_w)}"
    reserved = f"{problem.reserve_wh / 1000.0:.1f} kWh are reserved for an outage."
    guarded = f"{problem.guard_wh / 1000.0:.1f} kWh are kept for a peak that comes unforeseen."
    for index, step in enumerate(plan.steps):
        paid = _price(problem.import_price[index], currency)
        earned = _price(problem.export_price[index], currency)
        power, grid = _kw(abs(step.battery_w)), _kw(max(step.grid_w, 0.0))
        yield {
            PlanReason.CHEAP: f"Charge {power}: a kWh costs {paid} now, and up to {dearest} later.",
            PlanReason.SURPLUS: f"Charge {power} from PV: fed in, a kWh would earn {earned}.",
            PlanReason.PEAK: (
                f"Discharge {power}, so that no more than {grid} is drawn: "
                "without it the peak would be dearer."
            ),
            PlanReason.DEAR: (
                f"Discharge {power}: a kWh costs {paid} now, and down to {cheapest} at other times."
            ),
            PlanReason.LIMIT: (
                f"Discharge {power}: else the connection's limit{limit} would be exceeded."
            ),
            PlanReason.RESERVE: f"{_does(step.battery_w)}: {reserved}",
            PlanReason.GUARD: f"{_does(step.battery_w)}: {guarded}",
            PlanReason.KEEP: "Rest, and keep what is stored: it will be worth more later.",
            PlanReason.WEAR: "Rest: no difference in price pays for losses and wear now.",
        }[step.reason]


def _does(battery_w: float) -> str:
    return f"Charge {_kw(-battery_w)}" if battery_w < 0.0 else "Rest"


def _kw(power_w: float) -> str:
    return f"{power_w / 1000.0:.1f} kW"


def _price(per_kwh: float, currency: str) -> str:
    return f"{per_kwh:.3f} {currency}"
