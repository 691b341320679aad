"""Nobody learns what is secret, nothing leaves the site unasked, and few may move power."""

from collections.abc import Iterator
from contextlib import contextmanager
import json
import logging
from pathlib import Path
import re
import sys
from typing import Any

from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import Unauthorized
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.json import ExtendedJSONEncoder
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.computeload.actions import ACTIONS
from custom_components.computeload.const import CONF_PRICE, CONF_TARGET_PEAK_KW, DOMAIN
from custom_components.computeload.diagnostics import (
    TO_REDACT,
    async_get_config_entry_diagnostics,
)
from custom_components.computeload.http_source import SECRETS
from custom_components.computeload.signals.sources import AREA, TOKEN
from custom_components.computeload.simulator.faults import Fault
from custom_components.computeload.simulator.server import SimulatedSite

from .common import add_asset, async_set_up, async_wait_for, build_lab, real_entry

PACKAGE = Path(__file__).parents[1] / "custom_components" / "computeload"
WORD = "correct-horse-battery"
PASSIVE = {"explain_peak", "get_job_energy", "get_plan"}
"""Actions that only tell something: everybody may call them."""

_heard: list[tuple[str, Any]] | None = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Note where this process connects to, while somebody wants to know."""
    if _heard is None:
        return
    if event == "socket.connect":
        _heard.append(tuple(arguments[1][:2]) if isinstance(arguments[1], tuple) else ("", ""))
    elif event == "socket.getaddrinfo":
        _heard.append((str(arguments[0]), arguments[1]))


sys.addaudithook(_hear)


@contextmanager
def connections() -> Iterator[list[tuple[str, Any]]]:
    """Note every address that is connected to, or looked up, in this block."""
    global _heard  # noqa: PLW0603 - a hook cannot be taken back
    _heard = []
    try:
        yield _heard
    finally:
        _heard = None


def test_every_field_that_hides_what_is_typed_is_left_out_of_diagnostics() -> None:
    field = re.compile(r"(?:vol\.\w+\()?(\w+)\)?: (?:SECRET|.*TextSelectorType\.PASSWORD)")
    names = {
        name
        for file in PACKAGE.rglob("*.py")
        for name in field.findall(file.read_text())
        if name != "SECRET"
    }
    assert {"CONF_PASSWORD", "CONF_TOKEN", "TOKEN"} <= names
    words = {name.removeprefix("CONF_").lower() for name in names}
    assert words <= TO_REDACT


@pytest.fixture(name="site")
async def site_fixture(hass: HomeAssistant, lab: SimulatedSite) -> MockConfigEntry:
    """Return a site in which every secret that there can be is set."""
    entry = real_entry(**{CONF_TARGET_PEAK_KW: 6.0})
    entry.add_to_hass(hass)
    secret = {key: f"{WORD}-{key}" for key in SECRETS}
    for device_id in lab.endpoints:
        add_asset(hass, entry, lab, device_id, **secret)
    return entry


async def test_no_secret_is_in_logs_diagnostics_states_or_issues(
    hass: HomeAssistant,
    site: MockConfigEntry,
    lab: SimulatedSite,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "custom_components.computeload")
    token = {"source": "entsoe", TOKEN: f"{WORD}-token", AREA: "10Y1001A1001A82H"}
    hass.config_entries.async_update_entry(site, options={CONF_PRICE: token})
    runtime = await async_set_up(hass, site)
    for device_id in lab.endpoints:
        await lab.faults.inject(device_id, Fault.EXCEPTION, code=2)
    await async_wait_for(
        lambda: not any(each.last_update_success for each in runtime.devices.values())
    )
    for device in runtime.devices.values():
        await device.async_refresh()
    told = [
        json.dumps(await async_get_config_entry_diagnostics(hass, site), cls=ExtendedJSONEncoder),
        *(
            json.dumps(state.as_dict(), cls=ExtendedJSONEncoder)
            for state in hass.states.async_all()
        ),
        *(str(issue) for issue in ir.async_get(hass).issues.values()),
        *(str(device.last_exception) for device in runtime.devices.values()),
        *(record.getMessage() for record in caplog.records if "computeload" in record.name),
    ]
    assert len(told) > 50
    assert [text for text in told if WORD in text] == []
    assert await hass.config_entries.async_unload(site.entry_id)


async def test_a_running_site_connects_to_the_users_devices_and_to_nothing_else(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    lab = build_lab(speed=1.0)
    await lab.start()
    with connections() as heard:
        entry = real_entry(**{CONF_TARGET_PEAK_KW: 6.0})
        entry.add_to_hass(hass)
        for device_id in lab.endpoints:
            add_asset(hass, entry, lab, device_id)
        runtime = await async_set_up(hass, entry)
        await async_wait_for(
            lambda: all(device.link.polls > 20 for device in runtime.devices.values())
        )
        assert await hass.config_entries.async_unload(entry.entry_id)
        await hass.async_block_till_done()
    await lab.stop()
    configured = {(each.host, each.port) for each in lab.endpoints.values()}
    assert set(heard) == configured


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
async def test_actions_that_change_something_are_for_administrators_only(
    hass: HomeAssistant, still_site: MockConfigEntry, hass_read_only_user: MockUser, action: Any
) -> None:
    assert action.admin == (action.name not in PASSIVE)
    if not action.admin:
        return
    with pytest.raises(Unauthorized):
        await hass.services.async_call(
            DOMAIN,
            action.name,
            {},
            blocking=True,
            return_response=True,
            context=Context(user_id=hass_read_only_user.id),
        )
