"""The grid operator's limit from any entity: a number, a contact, or a calendar.

The control loop asks at every sample, so what an entity says is only looked at again when
its state is a new one.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
import math
from typing import TYPE_CHECKING, Any, Final

from homeassistant.const import (
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    UnitOfPower,
)
from homeassistant.core import HomeAssistant, State, callback, split_entity_id
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import PowerConverter

from ..const import CONF_OPERATOR, DOMAIN, LOGGER
from .coordinator import issue_id
from .limit import Heard, InForce, LimitKeeper, Rule, Source, limit_in_text

if TYPE_CHECKING:
    from ..coordinator import ComputeLoadConfigEntry

ENTITY: Final = "entity"
LIMIT_KW: Final = "limit_kw"
FAIL_SAFE_KW: Final = "fail_safe_kw"
LASTS_MIN: Final = "lasts_min"
SILENCE_MIN: Final = "silence_min"

ISSUE: Final = "operator_signal_lost"
CALENDAR: Final = "calendar"
NUMBERS: Final = ("input_number", "number", "sensor")
CONTACTS: Final = ("binary_sensor", "input_boolean", "switch")


class OperatorLimit:
    """The operator's limit of one site."""

    def __init__(self, hass: HomeAssistant, entry: ComputeLoadConfigEntry) -> None:
        """Take what the user has set up."""
        options = entry.options[CONF_OPERATOR]
        self._hass = hass
        self._entry = entry
        self._entity_id: str = options[ENTITY]
        limit_kw = options.get(LIMIT_KW)
        self._limit_w = None if limit_kw is None else limit_kw * 1000.0
        self._keeper = LimitKeeper(rule_of(options))
        self._state: State | None = None
        self._heard: Heard | None = None
        self._lost = False

    def in_force(self) -> InForce:
        """Return what may be drawn now."""
        now = dt_util.utcnow()
        state = self._hass.states.get(self._entity_id)
        if state is not self._state:
            self._state = state
            self._heard = None if state is None else heard(state, self._limit_w)
        said = self._heard
        if said is not None and state is not None and state.last_reported != said.reported:
            said = self._heard = Heard(
                limit_w=said.limit_w,
                since=said.since,
                reported=state.last_reported,
                until=said.until,
            )
        return self._keeper.in_force(said, now)

    def limit_w(self) -> float | None:
        """Return the most that may be drawn now, W; None without a limit."""
        return self.in_force().limit_w

    @callback
    def async_tick(self) -> None:
        """Say it once when the signal is lost, and when it is back."""
        lost = self.in_force().source is Source.FAIL_SAFE
        if lost == self._lost:
            return
        self._lost = lost
        name, limit_kw = self._entry.title, self._keeper.rule.fail_safe_w / 1000.0
        if not lost:
            LOGGER.info("%s: the grid operator's signal is back", name)
            ir.async_delete_issue(self._hass, DOMAIN, issue_id(ISSUE, self._entry.entry_id))
            return
        LOGGER.warning(
            "%s: the grid operator's signal is lost; no more than %g kW are drawn", name, limit_kw
        )
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue_id(ISSUE, self._entry.entry_id),
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=ISSUE,
            translation_placeholders={
                "site": name,
                "entity": self._entity_id,
                "limit": f"{limit_kw:g}",
            },
        )


def rule_of(options: Mapping[str, Any]) -> Rule:
    """Return the rule that the user has set up."""
    lasts_min, silence_min = options.get(LASTS_MIN), options.get(SILENCE_MIN)
    return Rule(
        fail_safe_w=options[FAIL_SAFE_KW] * 1000.0,
        lasts=None if lasts_min is None else timedelta(minutes=lasts_min),
        silence=None if silence_min is None else timedelta(minutes=silence_min),
    )


def heard(state: State, limit_w: float | None) -> Heard | None:
    """Return what an entity says; None where it says nothing that can be a limit.

    ``limit_w`` is what a contact or a calendar stands for. A number that is zero or below
    is no limit but a placeholder of somebody who has lost it: nobody may be told to draw
    nothing at all.
    """
    if state.state in {STATE_UNAVAILABLE, STATE_UNKNOWN}:
        return None
    domain = split_entity_id(state.entity_id)[0]
    until = None
    if domain in NUMBERS:
        found = _power_w(state)
        if found is None:
            return None
    elif state.state == STATE_OFF:
        found = None
    elif state.state != STATE_ON:
        return None
    elif domain == CALENDAR:
        found = _event_limit_w(state) or limit_w
        until = _event_end(state)
    else:
        found = limit_w
    if state.state == STATE_ON and found is None:
        return None
    return Heard(limit_w=found, since=state.last_changed, reported=state.last_reported, until=until)


def says_power(state: State) -> bool:
    """Tell whether a number has a unit of power; one without could be anything."""
    return state.attributes.get("unit_of_measurement") in PowerConverter.VALID_UNITS


def _power_w(state: State) -> float | None:
    """Return a number in W; None for what says no unit of power, or cannot be a limit."""
    unit = state.attributes.get("unit_of_measurement")
    try:
        watts = PowerConverter.convert(float(state.state), unit, UnitOfPower.WATT)
    except HomeAssistantError, ValueError:
        return None
    return watts if math.isfinite(watts) and watts > 0.0 else None


def _event_limit_w(state: State) -> float | None:
    for name in ("message", "description"):
        if (watts := limit_in_text(state.attributes.get(name))) is not None:
            return watts
    return None


def _event_end(state: State) -> datetime | None:
    """Return the end of the running event, UTC; the calendar writes it in local time."""
    text = state.attributes.get("end_time")
    end = dt_util.parse_datetime(text) if isinstance(text, str) else None
    return None if end is None else dt_util.as_utc(end)
