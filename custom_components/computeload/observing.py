"""What the ledger notes of each moment beside the metered flows: what held, and why."""

from datetime import datetime

from homeassistant.core import callback

from .coordinator import SiteRuntime
from .core.ledger import QUARTER
from .core.ledger_book import Observation
from .core.model import Reason
from .core.tariff import prices_at
from .core.window import window_start
from .ledger_store import Observe
from .signals.coordinator import SeriesSignal


class Prices:
    """What a kWh costs and earns in the running quarter, taxes and VAT included."""

    def __init__(self, runtime: SiteRuntime) -> None:
        """Prepare."""
        self._runtime = runtime
        self._known_for: tuple[datetime, float | None] | None = None
        self._now: tuple[float | None, float | None] = (None, None)

    def now(self, at: datetime) -> tuple[float | None, float | None]:
        """Return import and export price, per kWh; None while the market's is not known."""
        start, market = window_start(at), measured(self._runtime.signals.price, at)
        if self._known_for != (start, market):
            self._known_for = (start, market)
            self._now = prices_at(self._runtime.tariff, start.timestamp(), market)
        return self._now


def measured(signal: SeriesSignal | None, at: datetime) -> float | None:
    """Return a signal's mean over the running quarter, as its source says; no stand-ins."""
    if signal is None:
        return None
    start = window_start(at)
    return signal.past.mean(start, start + QUARTER)


def observing(runtime: SiteRuntime) -> Observe:
    """Return what tells the ledger what holds now."""
    prices = Prices(runtime)
    written = 0

    @callback
    def observe() -> Observation:
        nonlocal written
        controller, now = runtime.controller, runtime.clock.now()
        before, written = written, sum(each.writes for each in controller.crew.writers.values())
        step = plan.step(now) if (plan := runtime.planning.plan) is not None else None
        buy, sell = prices.now(now)
        return Observation(
            # With control off the reason says what would be done; nothing is.
            reason=controller.data.reason if controller.active else Reason.OFF,
            soc=controller.data.soc,
            target_w=controller.data.target_w,
            plan_battery_w=None if step is None else step.battery_w,
            plan_grid_w=None if step is None else step.grid_w,
            price_import=buy,
            price_export=sell,
            co2_g_per_kwh=measured(runtime.signals.carbon, now),
            commands=max(written - before, 0),
        )

    return observe
