"""What of control needs the user's hand: told as repair issues, taken back once it does not."""

from collections.abc import Iterable

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .coordinator import DeviceCoordinator
from .crew import Crew


class ControlIssues:
    """The issues of one site's control."""

    def __init__(self, hass: HomeAssistant, entry_id: str, site: str) -> None:
        """Tell of a site under its name."""
        self._hass, self._entry_id, self._site = hass, entry_id, site

    def of_assets(self, crew: Crew, devices: Iterable[DeviceCoordinator]) -> None:
        """Tell of assets that do not follow, or do not let go."""
        for device in devices:
            if (writer := crew.writers.get(device.asset_id)) is not None:
                self._report("not_following", device, active=writer.faulted)
                self._report("not_released", device, active=writer.holds_on)

    def of_meter(self, meter: DeviceCoordinator | None, *, active: bool, lost: bool) -> None:
        """Tell of a grid meter that is missing, or silent, while control relies on it."""
        self._report("meter_missing", None, active=active and meter is None)
        if meter is not None:
            self._report("meter_silent", meter, active=active and lost)

    def _report(self, key: str, device: DeviceCoordinator | None, *, active: bool) -> None:
        """Report of a device; None: of the site as a whole."""
        issue_id = f"{key}_{self._entry_id if device is None else device.asset_id}"
        if not active:
            ir.async_delete_issue(self._hass, DOMAIN, issue_id)
            return
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=key,
            translation_placeholders={
                "device": self._site if device is None else device.name,
                "site": self._site,
            },
        )
