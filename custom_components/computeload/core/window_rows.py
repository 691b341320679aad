"""What the ledger's quarters say about one metering window of a demand charge."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from .ledger import Quarter, Role
from .model import Reason
from .without import was_controlled


@dataclass(frozen=True, slots=True)
class WindowRows:
    """The quarters of a window. Powers are means in kW; None where nothing is known."""

    quarters: tuple[Quarter, ...]

    @property
    def controlled(self) -> bool:
        """Return whether batteries followed our commands."""
        return any(was_controlled(each) for each in self.quarters)

    @property
    def reason(self) -> Reason | None:
        """Return why the controller did what it did."""
        return next((q.reason for q in self.quarters if q.reason is not None), None)

    @property
    def soc(self) -> float | None:
        """Return the state of charge at its end, 0..1."""
        return self.quarters[-1].soc if self.quarters else None

    @property
    def target_kw(self) -> float | None:
        """Return the lowest target that was to be kept."""
        known = [q.target_w for q in self.quarters if q.target_w is not None]
        return min(known) / 1000.0 if known else None

    @property
    def planned_battery_kw(self) -> float | None:
        """Return what the plan wanted of the batteries, discharge +."""
        return _mean_kw(q.plan_battery_w for q in self.quarters)

    @property
    def load_kw(self) -> float | None:
        """Return what the site consumed."""
        return _mean_kw(_power_w(q.load_wh) for q in self.quarters)

    @property
    def pv_kw(self) -> float | None:
        """Return what PV gave."""
        return self._role_kw(Role.PV)

    @property
    def battery_kw(self) -> float | None:
        """Return what the batteries gave, discharge +."""
        given, taken = self._role_kw(Role.BATTERY_OUT), self._role_kw(Role.BATTERY_IN)
        return None if given is None and taken is None else (given or 0.0) - (taken or 0.0)

    @property
    def parts_kw(self) -> dict[str | None, float]:
        """Return the power of each branch, and (None) of what no branch meters."""
        branches: dict[str | None, list[float]] = {}
        for quarter in self.quarters:
            for channel, flow in quarter.flows.items():
                if channel.role is Role.BRANCH and flow.mean_w is not None:
                    branches.setdefault(channel.asset_id, []).append(flow.mean_w / 1000.0)
        parts = {name: fmean(known) for name, known in branches.items()}
        if (load_kw := self.load_kw) is not None:
            parts[None] = max(load_kw - sum(parts.values()), 0.0)
        return parts

    def _role_kw(self, role: Role) -> float | None:
        return _mean_kw(_power_w(q.energy_wh(role)) for q in self.quarters)


def _power_w(energy_wh: float | None) -> float | None:
    return None if energy_wh is None else energy_wh * 4.0


def _mean_kw(powers_w: Iterable[float | None]) -> float | None:
    known = [power_w for power_w in powers_w if power_w is not None]
    return fmean(known) / 1000.0 if known else None
