"""What a device says right now, in sentences: a wrong sign or scale is seen at a glance."""

from collections.abc import Iterator
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations

from .const import DOMAIN, ROLE_GRID
from .core.model import AssetKind, Quantity, Reading

IDLE_W: Final = 5.0


def _who(kind: AssetKind, role: str | None) -> str:
    if kind is AssetKind.METER:
        return "grid" if role == ROLE_GRID else "load"
    return kind.value


def _facts(who: str, reading: Reading) -> Iterator[tuple[str, str]]:
    """Yield the sentence for each thing worth confirming, and its figure."""
    power_w = reading.number(Quantity.POWER_W)
    if power_w is None:
        yield "no_power", ""
    elif abs(power_w) < IDLE_W:
        yield f"{who}_idle", ""
    else:
        way = "positive" if power_w > 0.0 else "negative"
        yield f"{who}_{way}", f"{abs(power_w) / 1000.0:.2f}"
    for quantity in (Quantity.ENERGY_IMPORT_WH, Quantity.ENERGY_EXPORT_WH):
        if (energy_wh := reading.number(quantity)) is not None:
            yield f"{who}_{quantity.removesuffix('_wh')}", f"{energy_wh / 1000.0:.1f}"
    if (soc := reading.number(Quantity.SOC)) is not None:
        yield "soc", f"{100.0 * soc:.0f}"
    if capacity_wh := reading.number(Quantity.CAPACITY_WH):
        yield "capacity", f"{capacity_wh / 1000.0:.1f}"
    if reading.channels:
        yield "channels", str(len(reading.channels))
    if alarms := reading.text(Quantity.ALARMS):
        yield "alarms", alarms


async def async_describe(
    hass: HomeAssistant, kind: AssetKind, role: str | None, reading: Reading
) -> str:
    """Return the reading as a list in Markdown, in Home Assistant's language."""
    words = await async_get_translations(hass, hass.config.language, "selector", {DOMAIN})
    prefix = f"component.{DOMAIN}.selector.live.options."
    return "\n".join(
        f"- {words[prefix + key].format(value=value)}"
        for key, value in _facts(_who(kind, role), reading)
    )
