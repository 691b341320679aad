"""Subentry flow: a cluster, its scheduler, and the metered branches that feed its nodes.

Nothing is stored that has not answered.
"""

from collections.abc import Mapping
from typing import Any, Final

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigSubentry,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME, CONF_URL, CONF_VERIFY_SSL
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import voluptuous as vol

from .asset_flow.servers import CREDENTIALS
from .clock import SystemClock
from .cluster import open_queue
from .const import (
    CONF_ACCOUNTS,
    CONF_BRANCHES,
    CONF_BUDGET_SCRIPT,
    CONF_LINK,
    CONF_MACHINES,
    CONF_PARTITIONS,
    CONF_REDFISH_LIMITS,
    CONF_ROLE,
    CONF_RUNNING,
    CONF_SOURCE,
    CONF_WAITING,
    DOMAIN,
    LINK_SIMULATED,
    ROLE_GRID,
    SOURCE_COUNTED,
    SOURCE_SLURM,
    SUBENTRY_CLUSTER,
)
from .core.model import AssetKind
from .core.queue import QueueState
from .drivers.base import DeviceError
from .drivers.http import problem_of_url
from .drivers.slurm_notation import hosts
from .forms import whole_number

_NUMBERS: Final = ["sensor", "number", "input_number", "counter"]
SLURM: Final = vol.Schema(
    {
        vol.Required(CONF_URL): TextSelector(),
        **CREDENTIALS[SOURCE_SLURM].schema,
        vol.Required(CONF_VERIFY_SSL, default=True): BooleanSelector(),
    }
)
COUNTED: Final = vol.Schema(
    {
        vol.Required(CONF_WAITING): EntitySelector(EntitySelectorConfig(domain=_NUMBERS)),
        vol.Optional(CONF_RUNNING): EntitySelector(EntitySelectorConfig(domain=_NUMBERS)),
        vol.Required(CONF_MACHINES): whole_number(1, 10_000),
    }
)
ALL_NODES: Final = ""
_METERED: Final = (AssetKind.LOAD, AssetKind.METER)


def _whereabouts(data: Mapping[str, Any]) -> str:
    """Return where a cluster's jobs are known from, in words that no other cluster has."""
    return str(data.get(CONF_URL) or data.get(CONF_WAITING) or "")


def _several(options: list[str], *, custom: bool = False) -> SelectSelector:
    return SelectSelector(
        SelectSelectorConfig(
            options=options, multiple=True, custom_value=custom, mode=SelectSelectorMode.DROPDOWN
        )
    )


class ClusterSubentryFlow(ConfigSubentryFlow):
    """Add a cluster to a site, or change it."""

    _queue: QueueState
    _branches: list[str]

    def __init__(self) -> None:
        """Start with nothing known."""
        self._data: dict[str, Any] = {}

    @property
    def _own(self) -> ConfigSubentry | None:
        """Return the subentry that is changed; None while one is added."""
        return self._get_reconfigure_subentry() if self.source == SOURCE_RECONFIGURE else None

    @property
    def _stored(self) -> Mapping[str, Any]:
        return self._own.data if self._own else {}

    async def async_step_user(self, _: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask what knows of the jobs."""
        return self.async_show_menu(step_id="user", menu_options=[SOURCE_SLURM, SOURCE_COUNTED])

    async def async_step_counted(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the entities that count jobs, and look at them once."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            self._data = {CONF_SOURCE: SOURCE_COUNTED, **user_input}
            errors, placeholders = await self._async_ask(user_input[CONF_WAITING])
            if not errors:
                return self._abort_if_there() or await self.async_step_branches()
        return self.async_show_form(
            step_id="counted",
            data_schema=self.add_suggested_values_to_schema(COUNTED, user_input or self._stored),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def async_step_slurm(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the scheduler, and ask it once."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            url = user_input[CONF_URL].strip().rstrip("/")
            self._data = {CONF_SOURCE: SOURCE_SLURM, **user_input, CONF_URL: url}
            if problem := problem_of_url(url):
                errors[CONF_URL] = problem
            else:
                errors, placeholders = await self._async_ask(url)
            if not errors:
                return self._abort_if_there() or await self.async_step_branches()
        return self.async_show_form(
            step_id="slurm",
            data_schema=self.add_suggested_values_to_schema(SLURM, user_input or self._stored),
            errors=errors,
            description_placeholders=placeholders,
        )

    async def async_step_reconfigure(self, _: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Go through the same steps again; a simulated cluster is as its scenario says."""
        if self._stored.get(CONF_LINK) == LINK_SIMULATED:
            return self.async_abort(reason="simulated")
        if self._stored.get(CONF_SOURCE) == SOURCE_COUNTED:
            return await self.async_step_counted()
        return await self.async_step_slurm()

    @property
    def _own_id(self) -> str:
        return self._own.subentry_id if self._own else ""

    async def _async_ask(self, where: str) -> tuple[dict[str, str], dict[str, str]]:
        """Ask for the jobs once; return what went wrong, and the details to say it with."""
        try:
            queue = open_queue(self.hass, self._data, where, SystemClock())
            self._queue = await queue.read()
        except DeviceError as err:
            return {"base": err.key}, {"address": where} | err.placeholders
        return {}, {}

    def _abort_if_there(self) -> SubentryFlowResult | None:
        """Abort where these jobs belong to a site already."""
        for entry in self.hass.config_entries.async_entries(DOMAIN):
            for other in entry.get_subentries_of_type(SUBENTRY_CLUSTER):
                same = _whereabouts(other.data) == _whereabouts(self._data)
                if same and other.subentry_id != self._own_id:
                    return self.async_abort(
                        reason="already_configured", description_placeholders={"name": other.title}
                    )
        return None

    async def async_step_branches(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for its name, and which metered branches feed it."""
        errors: dict[str, str] = {}
        if user_input is not None:
            if not user_input[CONF_NAME].strip():
                errors[CONF_NAME] = "name_missing"
            else:
                self._data[CONF_NAME] = user_input[CONF_NAME].strip()
                self._branches = user_input[CONF_BRANCHES]
                counted = self._data[CONF_SOURCE] == SOURCE_COUNTED
                if len(self._branches) > 1 and not counted:
                    return await self.async_step_nodes()
                self._data[CONF_BRANCHES] = dict.fromkeys(self._branches, ALL_NODES)
                # Who counts jobs cannot touch them.
                return self._finish() if counted else await self.async_step_levers()
        stored = self._stored.get(CONF_BRANCHES, {})
        named = "Slurm" if self._data[CONF_SOURCE] == SOURCE_SLURM else "Compute"
        suggested = {
            CONF_NAME: self._own.title if self._own else named,
            CONF_BRANCHES: list(stored),
        }
        options = [
            SelectOptionDict(value=asset_id, label=title)
            for asset_id, title in self._metered().items()
        ]
        branches = SelectSelector(
            SelectSelectorConfig(options=options, multiple=True, mode=SelectSelectorMode.LIST)
        )
        return self.async_show_form(
            step_id="branches",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {
                        vol.Required(CONF_NAME): TextSelector(),
                        vol.Optional(CONF_BRANCHES, default=[]): branches,
                    }
                ),
                user_input or suggested,
            ),
            errors=errors,
            description_placeholders=self._described(),
        )

    async def async_step_nodes(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which nodes each of several branches feeds; the fields are called as they are."""
        errors: dict[str, str] = {}
        titles = {asset_id: self._metered()[asset_id] for asset_id in self._branches}
        if user_input is not None:
            nodes = {a: user_input.get(title, "").strip() for a, title in titles.items()}
            errors = {titles[a]: p for a, text in nodes.items() if (p := self._problem(text))}
            if not errors:
                self._data[CONF_BRANCHES] = nodes
                return await self.async_step_levers()
        stored = self._stored.get(CONF_BRANCHES, {})
        suggested = {title: stored.get(asset_id, "") for asset_id, title in titles.items()}
        return self.async_show_form(
            step_id="nodes",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({vol.Optional(title): TextSelector() for title in titles.values()}),
                user_input or suggested,
            ),
            errors=errors,
            description_placeholders=self._described(),
        )

    async def async_step_levers(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask whose jobs may be touched at all; whether they are is decided on the device."""
        if user_input is not None:
            self._data |= user_input
            return self._finish()
        partitions = [partition.name for partition in self._queue.partitions]
        chosen = self._stored.get(CONF_PARTITIONS, partitions)
        accounts = sorted({job.account for job in self._queue.jobs if job.account})
        schema = vol.Schema(
            {
                vol.Optional(CONF_PARTITIONS, default=[]): _several(partitions),
                vol.Optional(CONF_ACCOUNTS, default=[]): _several(accounts, custom=True),
                vol.Required(CONF_REDFISH_LIMITS, default=False): BooleanSelector(),
                vol.Optional(CONF_BUDGET_SCRIPT): EntitySelector(
                    EntitySelectorConfig(domain="script")
                ),
            }
        )
        return self.async_show_form(
            step_id="levers",
            data_schema=self.add_suggested_values_to_schema(
                schema,
                {**self._stored, CONF_PARTITIONS: [p for p in partitions if p in chosen]},
            ),
            last_step=True,
        )

    def _problem(self, text: str) -> str | None:
        """Return what is wrong with a list of nodes."""
        try:
            named = set(hosts(text))
        except ValueError:
            return "nodes_unreadable"
        known = {node.name for node in self._queue.nodes}
        return None if named <= known else "nodes_unknown"

    def _metered(self) -> dict[str, str]:
        """Return the titles of the site's branches by subentry id; equal ones are numbered."""
        titles: dict[str, str] = {}
        for asset_id, subentry in self._get_entry().subentries.items():
            if subentry.subentry_type in _METERED and subentry.data.get(CONF_ROLE) != ROLE_GRID:
                taken = sum(title.startswith(subentry.title) for title in titles.values())
                titles[asset_id] = f"{subentry.title} ({taken + 1})" if taken else subentry.title
        return titles

    def _described(self) -> dict[str, str]:
        """Return what the scheduler has said, for the user to recognise it by."""
        names = [node.name for node in self._queue.nodes]
        shown = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")  # noqa: PLR2004 - a line
        return {
            "nodes": shown or "-",
            "node_count": str(len(names)),
            "running": str(len(self._queue.running)),
            "pending": str(len(self._queue.pending)),
        }

    def _finish(self) -> SubentryFlowResult:
        """Store the cluster."""
        data = self._data
        title = data.pop(CONF_NAME)
        if self._own is None:
            return self.async_create_entry(
                title=title, data=data, unique_id=f"cluster {_whereabouts(data)}"
            )
        return self.async_update_and_abort(self._get_entry(), self._own, title=title, data=data)
