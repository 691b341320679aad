"""What a plan is made from at a moment, gathered in the event loop."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from .const import (
    CONF_CARBON_PRICE,
    CONF_EFFICIENCY,
    CONF_EXPORT_LIMIT_KW,
    CONF_PLANNING,
    CONF_WEAR,
)
from .coordinator import ComputeLoadConfigEntry
from .core.fleet import combined
from .core.plan import BatterySpec, Floats
from .core.planning import DAY, STEP_S, Connection, SitePlanning
from .core.queue_outlook import QueueOutlook, combined as combined_outlook
from .core.series import Kind
from .core.so_far import Window
from .signals.coordinator import SeriesSignal

QUARTERS: Final = 2 * DAY
"""How far the signals are asked for: 48 h, more than the plan's horizon."""
KNOWN_PV: Final = 3 * DAY
"""From so many measured quarters on, PV is foreseen from them where nobody forecasts it."""
FLAT_PRICE: Final = 0.1
"""Stands in for a market price where there is no source: without a spread nothing is moved."""
WEAR_PER_KWH: Final = 0.02
EFFICIENCY_PERCENT: Final = 90.0
"""Of a kWh that is put in, so much comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInputs:
    """All that changes from plan to plan. Arrays have one value per quarter, shape (192,)."""

    window: Window
    at: datetime
    day_ahead: Floats
    carbon: Floats | None
    pv_ahead: Floats | None
    queue: QueueOutlook | None
    """What the jobs of the site's clusters will change; None where nothing is known of any."""


class InputsOf:
    """Gathers one site's inputs. Only in the event loop."""

    def __init__(self, entry: ComputeLoadConfigEntry) -> None:
        """Prepare; signals and controller must be there."""
        self._data = entry.data
        self._options = entry.options.get(CONF_PLANNING, {})
        self._runtime = entry.runtime_data

    def batteries(self) -> tuple[BatterySpec, float]:
        """Return the batteries as one, and the energy that they hold, Wh."""
        controller = self._runtime.controller
        return combined(
            controller.batteries(),
            soc_min=controller.settings.soc_min,
            round_trip=self._options.get(CONF_EFFICIENCY, EFFICIENCY_PERCENT) / 100.0,
            wear_eur_per_kwh=self._options.get(CONF_WEAR, WEAR_PER_KWH),
        )

    def storage(self) -> BatterySpec | None:
        """Return the batteries as one; None where the site has none."""
        spec, _ = self.batteries()
        return spec if spec.capacity_wh > 0.0 else None

    def connection(self, capacity_wh: float) -> Connection:
        """Return what bounds a plan from outside."""
        controller, export_kw = self._runtime.controller, self._data.get(CONF_EXPORT_LIMIT_KW)
        # Where no tariff says what a peak costs, the user's target is what is to be kept.
        has_charges = bool(self._runtime.tariff.demand)
        import_w = controller.connection_w if has_charges else controller.target_w
        operator_w = controller.operator_w()
        return Connection(
            import_limit_w=import_w if operator_w is None else min(import_w, operator_w),
            export_limit_w=None if export_kw is None else export_kw * 1000.0,
            reserve_wh=controller.reserve * capacity_wh,
            carbon_eur_per_t=self._options.get(CONF_CARBON_PRICE, 0.0),
        )

    def gather(self, window: Window, planning: SitePlanning) -> PlanInputs:
        """Return what a plan that begins with this window is made from."""
        signals = self._runtime.signals
        price = sampled(signals.price, window.start)
        return PlanInputs(
            window=window,
            at=self._runtime.clock.now(),
            day_ahead=np.full(QUARTERS, FLAT_PRICE) if price is None else price,
            carbon=sampled(signals.carbon, window.start),
            pv_ahead=self._foreseen_pv(window, planning),
            queue=combined_outlook(
                cluster.memory.outlook(cluster.data.foreseen)
                for cluster in self._runtime.clusters.values()
                if cluster.last_update_success
                and cluster.data is not None
                and cluster.data.foreseen is not None
            ),
        )

    def _foreseen_pv(self, window: Window, planning: SitePlanning) -> Floats | None:
        """Return somebody's forecast of PV; None where our own past says more."""
        signal = self._runtime.signals.pv
        if signal is None:
            return None
        forecast = any(slot.kind is Kind.FORECAST for slot in signal.data.series)
        if not forecast and len(planning.pv.past) >= KNOWN_PV:
            return None
        values = sampled(signal, window.start)
        if values is not None:
            values[0] = window.pv_w
        return values


def sampled(signal: SeriesSignal | None, start: datetime) -> Floats | None:
    """Return a signal's value in each quarter from ``start`` on; None where it has none.

    Holes are bridged in a straight line.
    """
    if signal is None or not signal.data.series:
        return None
    means = signal.data.series.sampled(start, timedelta(seconds=STEP_S), QUARTERS)
    values = np.array(means, dtype=np.float64)
    known = np.isfinite(values)
    if not known.any():
        return None
    at = np.arange(QUARTERS, dtype=np.float64)
    bridged: Floats = np.interp(at, at[known], values[known])
    return bridged
