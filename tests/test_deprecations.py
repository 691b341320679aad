"""Whatever Home Assistant says of old ways in its log fails a test: see ``nothing_deprecated``."""

from homeassistant.core import HomeAssistant
from homeassistant.helpers import frame
from homeassistant.loader import async_get_integration
import pytest

from custom_components.computeload.const import DOMAIN
from scripts.launcher import is_deprecation


async def test_a_use_of_what_will_be_removed_is_noticed(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    await async_get_integration(hass, DOMAIN)
    frame.report_usage(
        "does what was done in 2020",
        breaks_in_ha_version="2027.4",
        core_behavior=frame.ReportBehavior.LOG,
        custom_integration_behavior=frame.ReportBehavior.LOG,
        integration_domain=DOMAIN,
    )
    assert is_deprecation(caplog.records[-1].getMessage())
    caplog.clear()


@pytest.mark.parametrize(
    ("line", "noticed"),
    [
        ("The deprecated constant OLD was used from computeload. Use NEW instead", True),
        ("We found a custom integration computeload which has not been tested", False),
        ("Detected that custom integration 'another' calls what is deprecated", False),
    ],
)
def test_only_what_concerns_us_is_noticed(line: str, noticed: bool) -> None:
    assert is_deprecation(line) is noticed
