"""The plan is late, fails, or lacks what it is made from: window budget and limits still hold."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from unittest.mock import Mock, patch

from homeassistant.core import HomeAssistant
import pytest

from custom_components.computeload import planning
from custom_components.computeload.const import CONF_PRICE, CONF_TARIFF
from custom_components.computeload.core import planner
from custom_components.computeload.core.plan import PlanError
from custom_components.computeload.core.site import Strategy
from custom_components.computeload.planning import PlanData, PlanningCoordinator
from custom_components.computeload.simulator.server import SimulatedSite

from .lab import SHAVING_KW, Lab, controlled

DEAD_FEED = {"source": "entity", "entities": ["sensor.nowhere"]}
LIMIT_KW = 8.0
"""A limit of the connection below the lab's load: no plan may let it be exceeded."""
KEPT_S = 20.0


@contextmanager
def without_optimiser() -> Iterator[None]:
    """Be on a machine for which there is no build of the optimiser."""
    with (
        patch.object(planner, "HAS_OPTIMISER", False),
        patch.object(planning, "HAS_OPTIMISER", False),
    ):
        yield


async def limit_is_kept(lab: Lab) -> None:
    """Watch the connection's limit being kept at every instant."""
    await lab.call("number", "set_value", "number.lab_connection_limit", value=LIMIT_KW)
    await lab.seconds(KEPT_S)
    for _ in range(30):
        await lab.seconds(1.0)
        assert lab.site.physics.grid_w <= 1020.0 * LIMIT_KW


async def all_is_kept(lab: Lab) -> None:
    """Watch the target being kept, and then a limit that is set."""
    await lab.seconds(KEPT_S)
    for _ in range(60):
        await lab.seconds(1.0)
        assert lab.site.physics.grid_w <= 1020.0 * SHAVING_KW
    await lab.call("number", "set_value", "number.lab_target_peak", value=20.0)
    await limit_is_kept(lab)


@pytest.mark.parametrize(
    ("options", "trouble", "issue"),
    [
        ({CONF_PRICE: DEAD_FEED}, nullcontext(), None),
        ({CONF_PRICE: DEAD_FEED}, without_optimiser(), "optimiser_missing"),
        ({CONF_TARIFF: {"preset": "atlantis"}}, nullcontext(), "tariff_broken"),
    ],
    ids=["prices dead", "no optimiser", "tariff broken"],
)
async def test_without_a_sound_plan_target_and_limits_are_kept(
    hass: HomeAssistant,
    site: SimulatedSite,
    options: dict[str, Any],
    trouble: AbstractContextManager[None],
    issue: str | None,
) -> None:
    with trouble:
        async with controlled(hass, site, SHAVING_KW, options=options) as lab:
            assert lab.controller.settings.strategy is Strategy.AUTOMATIC
            assert issue is None or lab.issue(issue, lab.entry.entry_id)
            await all_is_kept(lab)


async def never(_: object) -> None:
    """Take longer than anybody waits."""
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "trouble",
    [
        patch.object(PlanningCoordinator, "_async_plan", never),
        patch.object(PlanningCoordinator, "_made", Mock(side_effect=PlanError("nonsense"))),
    ],
    ids=["late", "failed"],
)
async def test_a_plan_that_does_not_come_costs_no_limit(
    hass: HomeAssistant, site: SimulatedSite, trouble: AbstractContextManager[None]
) -> None:
    async with controlled(hass, site, SHAVING_KW, options={CONF_PRICE: DEAD_FEED}) as lab:
        with trouble:
            lab.runtime.planning.data = PlanData()
            await all_is_kept(lab)
            assert lab.controller.plan() is None
