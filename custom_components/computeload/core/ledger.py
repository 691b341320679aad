"""The ledger's rows: what one quarter of an hour was, and how two accounts of it become one.

A row is made of flows, one per metered channel: the energy and for how many seconds of
the quarter it is known. Sums and the site's load follow from them, so a device that
answers late changes one flow and nothing else. Energies are Wh and never negative;
prices are money of the site's currency per kWh; powers are W in the signs of
``core.model``; times are UTC quarters. Where rows are kept is ``ledger_db``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from .model import Reason
from .window import WINDOW_S, Source, Window

QUARTER: Final = timedelta(seconds=WINDOW_S)
ENOUGH_S: Final = WINDOW_S / 2.0
"""A mean over less than this of a quarter says little about the quarter."""
ENERGY_DIGITS: Final = 3
"""Flows are kept to the milliwatt-hour, so that what is stored sums to what was said."""


class Role(StrEnum):
    """What a flow of energy is to the site."""

    IMPORT = "import"
    """Drawn from the grid."""
    EXPORT = "export"
    """Fed into the grid."""
    PV = "pv"
    BATTERY_IN = "battery_in"
    BATTERY_OUT = "battery_out"
    BRANCH = "branch"
    """One metered part of the load."""
    LOAD = "load"
    """The whole site's load where it was read from a file; otherwise the balance gives it."""


BALANCE: Final[Mapping[Role, float]] = {
    Role.IMPORT: 1.0,
    Role.EXPORT: -1.0,
    Role.PV: 1.0,
    Role.BATTERY_IN: -1.0,
    Role.BATTERY_OUT: 1.0,
}
"""With which sign a flow counts towards the load."""


class Origin(StrEnum):
    """How the import of a quarter was metered."""

    COUNTER = "counter"
    POWER = "power"
    IMPORTED = "imported"
    """Brought in from a file or from Home Assistant's statistics; never replaces a metered row."""


@dataclass(frozen=True, slots=True, order=True)
class Channel:
    """One flow's name: its role, and the asset that metered it ("" for the site's own)."""

    role: Role
    asset_id: str = ""

    def __str__(self) -> str:
        """Return ``role`` or ``role/asset_id``."""
        return f"{self.role}/{self.asset_id}" if self.asset_id else self.role.value

    @classmethod
    def parse(cls, text: str) -> Channel:
        """Return the channel of a name; raises ValueError for an unknown role."""
        role, _, asset_id = text.partition("/")
        return cls(Role(role), asset_id)


IMPORT: Final = Channel(Role.IMPORT)
EXPORT: Final = Channel(Role.EXPORT)


@dataclass(frozen=True, slots=True)
class Flow:
    """The energy of one channel in one quarter."""

    energy_wh: float
    covered_s: float = WINDOW_S
    """For how many seconds the energy is known; 0: the channel is there, but was silent."""

    @classmethod
    def of(cls, window: Window) -> Flow:
        """Return a closed window's flow, at the precision that rows are kept in."""
        return cls(round(window.energy_wh, ENERGY_DIGITS), round(window.covered_s, 1))

    @property
    def mean_w(self) -> float | None:
        """Return the mean power while it was known; None where that was too short."""
        return self.energy_wh * 3600.0 / self.covered_s if self.covered_s >= ENOUGH_S else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarter:
    """One row: a quarter of an hour of the site. None where it is not known."""

    start: datetime
    origin: Origin
    flows: Mapping[Channel, Flow]
    soc: float | None = None
    """State of charge of all batteries at the end of the quarter, 0..1."""
    price_import: float | None = None
    price_export: float | None = None
    co2_g_per_kwh: float | None = None
    target_w: float | None = None
    plan_battery_w: float | None = None
    plan_grid_w: float | None = None
    commands: int | None = None
    """How many commands went out; None for a quarter that nobody controlled or watched."""
    reason: Reason | None = None
    """What the controller did for the longest part of it."""
    without_import_wh: float | None = None
    """What would have been drawn without control; filled in by the savings account."""
    without_export_wh: float | None = None
    revision: int = field(default=1, compare=False)
    """Counts the accounts of this quarter; the newest one holds."""

    @property
    def end(self) -> datetime:
        """Return the moment at which the next quarter starts."""
        return self.start + QUARTER

    @property
    def covered_s(self) -> float:
        """Return for how many seconds the import is known."""
        flow = self.flows.get(IMPORT)
        return flow.covered_s if flow is not None else 0.0

    @property
    def import_wh(self) -> float | None:
        """Return the metered import, as it is billed: nothing is added for gaps."""
        return self.energy_wh(Role.IMPORT)

    @property
    def export_wh(self) -> float | None:
        """Return the metered export."""
        return self.energy_wh(Role.EXPORT)

    @property
    def load_wh(self) -> float | None:
        """Return what the site consumed in the whole quarter.

        The balance of the mean powers, so that it speaks for the whole quarter where a
        flow is known for half of it or more; None where one is known for less.
        """
        if (whole := self.flows.get(Channel(Role.LOAD))) is not None:
            return None if whole.mean_w is None else whole.mean_w * WINDOW_S / 3600.0
        load_w = 0.0
        for channel, flow in self.flows.items():
            if (sign := BALANCE.get(channel.role)) is None:
                continue
            if (mean_w := flow.mean_w) is None:
                return None
            load_w += sign * mean_w
        if IMPORT not in self.flows:
            return None
        return max(load_w, 0.0) * WINDOW_S / 3600.0

    @property
    def branches_wh(self) -> dict[str, float]:
        """Return the energy of every metered branch, by asset id."""
        return {
            channel.asset_id: flow.energy_wh
            for channel, flow in self.flows.items()
            if channel.role is Role.BRANCH and flow.covered_s > 0.0
        }

    def energy_wh(self, role: Role) -> float | None:
        """Return the metered energy of all channels of a role; None where nothing is known."""
        known = [f.energy_wh for c, f in self.flows.items() if c.role is role and f.covered_s > 0.0]
        return round(sum(known), ENERGY_DIGITS) if known else None


FILLABLE: Final = tuple(
    f.name for f in fields(Quarter) if f.name not in {"start", "origin", "flows", "revision"}
)
"""What a row says beside its flows; a gap in it may be filled later."""


def origin_of(source: Source) -> Origin:
    """Return how a window's source is written in the ledger."""
    return Origin(source.value)


def quarter_starts(since: datetime, until: datetime) -> Iterable[datetime]:
    """Yield the starts of the quarters from ``since`` (a quarter itself) up to ``until``."""
    while since < until:
        yield since
        since += QUARTER


def merged(old: Quarter, new: Quarter) -> Quarter:
    """Return the better account of a quarter of which two are known.

    Metered stands over imported. Of two metered flows the one that covers more stands,
    at a tie the older: a quarter that is told twice after a restart or a clock that was
    set back counts once. What one account does not say is taken from the other.
    """
    if (old.origin is Origin.IMPORTED) != (new.origin is Origin.IMPORTED):
        first, second = (new, old) if old.origin is Origin.IMPORTED else (old, new)
        return _filled(first, second)
    if new.origin is Origin.IMPORTED:
        return _filled(replace(new, flows={**old.flows, **new.flows}), old)
    flows = dict(old.flows)
    for channel, flow in new.flows.items():
        if channel not in flows or flow.covered_s > flows[channel].covered_s:
            flows[channel] = flow
    import_is_new = flows.get(IMPORT) != old.flows.get(IMPORT)
    return _filled(
        replace(old, flows=flows, origin=new.origin if import_is_new else old.origin), new
    )


def _filled(first: Quarter, second: Quarter) -> Quarter:
    """Return ``first`` with what it does not say taken from ``second``."""
    gaps = {
        name: getattr(second, name)
        for name in FILLABLE
        if getattr(first, name) is None and getattr(second, name) is not None
    }
    return replace(first, **gaps)
