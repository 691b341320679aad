"""A programming error somewhere: control goes on without that part, and says so once."""

import logging
from unittest.mock import AsyncMock, Mock, patch

import pytest

from .lab import Lab

pytestmark = pytest.mark.usefixtures("bugs_are_logged")

DECIDE = "custom_components.computeload.controller.decide"
SAID = "unexpected error"


async def test_a_driver_that_fails_to_read_costs_only_its_own_device(
    shaving: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    roof = lab.runtime.devices["roof"]
    with patch.object(roof.device, "read", AsyncMock(side_effect=ValueError("a bug"))):
        await lab.until(lambda: lab.state("sensor.roof_pv_power") == "unavailable", within_s=9.0)
        await lab.seconds(10.0)
        assert lab.battery_w == pytest.approx(shaved_w, rel=0.02)
    await lab.until(lambda: lab.state("sensor.roof_pv_power") != "unavailable", within_s=32.0)
    assert lab.logged(caplog, logging.ERROR, SAID) == 1


async def test_a_driver_that_fails_to_write_is_let_go_and_taken_up_again(
    shaving: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    device = lab.runtime.devices["cabinet1"].device
    with patch.object(device, "command", AsyncMock(side_effect=ZeroDivisionError)):
        await lab.until(lambda: lab.issue("not_following", "cabinet1"), within_s=30.0)
        assert lab.cabinets[0].command_w is None
        await lab.until(lambda: lab.cabinets[1].power_w > 0.95 * shaved_w, within_s=12.0)
    await lab.until(lambda: lab.cabinets[0].power_w > 0.6 * shaved_w, within_s=70.0)
    await lab.until(lambda: not lab.issue("not_following", "cabinet1"), within_s=10.0)
    assert lab.logged(caplog, logging.ERROR, SAID) == 1


async def test_a_release_that_fails_is_tried_until_it_went_through(shaving: Lab) -> None:
    lab = shaving
    device = lab.runtime.devices["cabinet1"].device
    with patch.object(device, "release", AsyncMock(side_effect=RuntimeError("a bug"))) as release:
        await lab.switch(on=False)
        await lab.seconds(12.0)
        assert release.await_count >= 3
        assert lab.cabinets[0].command_w is not None
    await lab.until(lambda: lab.released, within_s=6.0)


async def test_a_law_that_fails_lets_the_batteries_go_and_control_comes_back(
    shaving: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    with patch(DECIDE, Mock(side_effect=KeyError("a bug"))):
        await lab.until(lambda: lab.released, within_s=3.0)
        await lab.seconds(10.0)
        assert lab.released
    await lab.until(lambda: lab.battery_w > 0.95 * shaved_w, within_s=8.0)
    assert lab.logged(caplog, logging.ERROR, SAID) == 1


async def test_a_site_that_cannot_be_published_is_still_controlled(
    shaving: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab, shaved_w = shaving, shaving.battery_w
    with patch.object(lab.controller, "_site_data", Mock(side_effect=TypeError("a bug"))) as data:
        for _ in range(30):
            await lab.seconds(1.0)
            assert lab.battery_w == pytest.approx(shaved_w, rel=0.02)
        assert data.call_count > 2
    assert lab.logged(caplog, logging.ERROR, SAID) == 1
