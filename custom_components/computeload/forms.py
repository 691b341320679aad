"""The forms of the flows: fields and selectors, without any steps."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from homeassistant.const import CONF_DEVICE, CONF_HOST, CONF_PORT
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    SerialPortSelector,
    TextSelector,
)
import voluptuous as vol

from .const import CONF_UNIT_ID
from .drivers.spec import Profile

CONF_BAUDRATE: Final = "baudrate"
CONF_PARITY: Final = "parity"
CONF_STOPBITS: Final = "stopbits"

LARGEST_UNIT_ID: Final = 247
PARITIES: Final = {"none": "N", "even": "E", "odd": "O"}
"""What is stored, by the word in the form."""


def whole_number(least: int, most: int) -> vol.All[Any]:
    """Return a field for a whole number."""
    box = NumberSelectorConfig(min=least, max=most, step=1, mode=NumberSelectorMode.BOX)
    return vol.All(NumberSelector(box), vol.Coerce(int))


def figure(unit: str) -> NumberSelector:
    """Return a field for any number; what makes sense is checked by the step, in words."""
    return NumberSelector(
        NumberSelectorConfig(step="any", mode=NumberSelectorMode.BOX, unit_of_measurement=unit)
    )


def choice(options: Iterable[str], key: str) -> SelectSelector:
    """Return a field for one of a few words, which the translations explain under ``key``."""
    return SelectSelector(
        SelectSelectorConfig(
            options=list(options), translation_key=key, mode=SelectSelectorMode.DROPDOWN
        )
    )


def profile_choice(profiles: Iterable[Profile]) -> SelectSelector:
    """Return a field for a device profile, by manufacturer and title."""
    labels = sorted(
        (p.title if p.manufacturer in p.title else f"{p.manufacturer} {p.title}", p.id)
        for p in profiles
    )
    options = [SelectOptionDict(value=profile_id, label=label) for label, profile_id in labels]
    return SelectSelector(SelectSelectorConfig(options=options, mode=SelectSelectorMode.DROPDOWN))


NETWORK_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_HOST): TextSelector(),
        vol.Required(CONF_PORT): whole_number(1, 65535),
        vol.Required(CONF_UNIT_ID): whole_number(0, LARGEST_UNIT_ID),
    }
)
CONF_VERIFY: Final = "verify"
TLS_SCHEMA: Final = NETWORK_SCHEMA.extend(
    {vol.Required(CONF_VERIFY, default=True): BooleanSelector()}
)
MORE_UNITS: Final = "unit_id_"
"""What the fields for further unit ids begin with; the name that the profile uses follows."""


def unit_id_fields(names: Iterable[str]) -> dict[vol.Marker, Any]:
    """Return fields for the further unit ids of a device, by their names in its profile."""
    return {vol.Required(MORE_UNITS + each): whole_number(0, LARGEST_UNIT_ID) for each in names}


def more_unit_ids(answers: Mapping[str, Any]) -> dict[str, int]:
    """Return what was answered to these fields, by name."""
    return {k.removeprefix(MORE_UNITS): v for k, v in answers.items() if k.startswith(MORE_UNITS)}


SERIAL_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_DEVICE): SerialPortSelector(),
        vol.Required(CONF_BAUDRATE): whole_number(300, 1_000_000),
        vol.Required(CONF_PARITY): choice(PARITIES, CONF_PARITY),
        vol.Required(CONF_STOPBITS): vol.All(choice(("1", "2"), CONF_STOPBITS), vol.Coerce(int)),
        vol.Required(CONF_UNIT_ID): whole_number(0, LARGEST_UNIT_ID),
    }
)
