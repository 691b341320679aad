"""The proof of a site in Home Assistant: what its devices said is judged, and kept.

Every device's readings are watched all the time. What has passed is kept on disk with the
configuration that it was true for: a device that is changed has to be proven again. The
controller cannot be switched on before what it depends on has passed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
import hashlib
import json
from typing import Any, Final, TypedDict

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_PASSWORD, CONF_TOKEN, CONF_USERNAME
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.storage import Store

from .const import (
    CONF_ACCEPT_STUCK,
    CONF_ACCEPT_UNPROVEN,
    CONF_CAPACITY_KWH,
    CONF_CHANNELS,
    CONF_CHARGE_LIMIT_KW,
    CONF_DISCHARGE_LIMIT_KW,
    CONF_OVERRIDES,
    CONF_POLL_S,
    CONF_PROOF,
    CONF_ROLE,
    DOMAIN,
    LOGGER,
    ROLE_GRID,
)
from .coordinator import ComputeLoadConfigEntry, DeviceCoordinator, SiteRuntime
from .core.model import AssetKind, Quantity, Reading
from .core.overrides import Overrides
from .core.proof import (
    SITE,
    Check,
    Finding,
    Fix,
    Part,
    Slope,
    Subject,
    TrialResult,
    Verdict,
    blocking,
)
from .core.proof_judges import judge
from .core.proof_seen import SiteSeen
from .core.proof_trace import Trace
from .proof_words import async_lines, async_report, async_sentence

STORE_VERSION: Final = 1
SAVE_DELAY_S: Final = 5.0
LOOK_EVERY: Final = timedelta(seconds=30)
LASTING: Final = 4
"""A finding becomes an issue when it was so in so many looks in a row."""

MOMENTARY: Final = frozenset({Check.FRESHNESS})
"""What may fail for a while without disproving anything: control itself looks after it."""

DISPROVING: Final = frozenset({Check.SIGN, Check.ROLE})
"""What makes control do harm without knowing it. A wrong unit it sees for itself, and waits."""

WITHOUT_MEANING: Final = frozenset(
    {
        CONF_ACCEPT_STUCK,
        CONF_CAPACITY_KWH,
        CONF_CHANNELS,
        CONF_CHARGE_LIMIT_KW,
        CONF_DISCHARGE_LIMIT_KW,
        CONF_PASSWORD,
        CONF_POLL_S,
        CONF_TOKEN,
        CONF_USERNAME,
    }
)
"""What may change of an asset without its values or its commands meaning anything else."""

_PARTS: Final = {
    AssetKind.BATTERY: Part.BATTERY,
    AssetKind.PV: Part.PV,
    AssetKind.LOAD: Part.LOAD,
}


class StoredProof(TypedDict):
    """The proof on disk."""

    passed: dict[str, dict[str, Any]]
    trials: dict[str, dict[str, Any]]


@dataclass(kw_only=True, slots=True)
class Passed:
    """What one asset has passed, and the configuration that this holds for."""

    fingerprint: str
    checks: dict[str, str] = field(default_factory=dict)
    """By check: the sentence."""


def proof_store(hass: HomeAssistant, entry_id: str) -> Store[StoredProof]:
    """Return where a site's proof is kept."""
    return Store(hass, STORE_VERSION, f"{DOMAIN}.proof.{entry_id}")


def fingerprint(subentry: ConfigSubentry) -> str:
    """Return what a proof depends on, in short; it says nothing about the content."""
    meaning = {k: v for k, v in subentry.data.items() if k not in WITHOUT_MEANING}
    text = json.dumps([subentry.subentry_type, meaning], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def part_of(device: DeviceCoordinator) -> Part:
    """Return what a device is in the site's balance."""
    if device.kind in _PARTS:
        return _PARTS[device.kind]
    return Part.GRID if device.subentry.data.get(CONF_ROLE) == ROLE_GRID else Part.BRANCH


class SiteProof:
    """Knows what of a site is proven."""

    def __init__(
        self, hass: HomeAssistant, entry: ComputeLoadConfigEntry, runtime: SiteRuntime
    ) -> None:
        """Prepare; ``async_load`` and ``async_start`` come next."""
        self._hass = hass
        self._entry = entry
        self._runtime = runtime
        self._traces: dict[str, Trace] = {}
        self._passed: dict[str, Passed] = {}
        self._trials: dict[str, tuple[str, TrialResult]] = {}
        """By battery: what the result holds for, and the result."""
        self._store = proof_store(hass, entry.entry_id)
        self._lasting: dict[tuple[Check, str], int] = {}
        self.trying: Callable[[], bool] = lambda: False
        """Tells whether a battery is being tried out."""

    # -- life ----------------------------------------------------------------------

    async def async_load(self) -> None:
        """Read back what was proven. A damaged file costs only its content."""
        stored = await self._store.async_load()
        try:
            for asset_id, raw in (stored["passed"] if stored else {}).items():
                self._passed[asset_id] = Passed(**raw)
            for asset_id, raw in (stored["trials"] if stored else {}).items():
                self._trials[asset_id] = (raw["fingerprint"], _trial_from(raw["result"]))
        except KeyError, TypeError, ValueError:
            LOGGER.warning("%s: the stored proof could not be read", self._entry.title)

    @callback
    def async_start(self) -> None:
        """Watch the site's devices from now on; control that is not proven ends here."""
        for asset_id, device in self._runtime.devices.items():
            trace = self._traces[asset_id] = Trace(poll_s=device.poll_s)
            self._entry.async_on_unload(device.async_listen_for_samples(_into(trace)))
        self._entry.async_on_unload(
            async_track_time_interval(self._hass, self.async_look, LOOK_EVERY)
        )
        controller = self._runtime.controller
        unproven = controller.settings.enabled and not self.accepted and bool(self.blockers())
        if unproven:
            LOGGER.warning(
                "%s: a device was changed and is not proven any more; control is switched off",
                self._entry.title,
            )
            controller.settings = replace(controller.settings, enabled=False)
            self._async_tell_unproven("control_unproven", {})

    def _issue_id(self, key: str) -> str:
        return f"{key}_{self._entry.entry_id}"

    # -- what is known ---------------------------------------------------------------

    @property
    def accepted(self) -> bool:
        """Return whether the user accepts control without proof."""
        return bool(self._entry.options.get(CONF_PROOF, {}).get(CONF_ACCEPT_UNPROVEN))

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Return the site's assets as they are configured."""
        return tuple(self._subject(device) for device in self._runtime.devices.values())

    def _subject(self, device: DeviceCoordinator) -> Subject:
        view, part = self._runtime.controller.view, part_of(device)
        rated_w = device.latest.number(Quantity.RATED_POWER_W) if device.latest else None
        capacity_wh = None
        if part is Part.BATTERY:
            state = view.battery(device, self._runtime.clock.monotonic_s(), usable=True)
            rated_w = rated_w or max(state.charge_limit_w, state.discharge_limit_w) or None
            capacity_wh = state.capacity_wh or None
        overrides = overrides_of(device.subentry)
        return Subject(
            asset_id=device.asset_id,
            part=part,
            poll_s=device.poll_s,
            rated_w=rated_w,
            capacity_wh=capacity_wh,
            controllable=part is Part.BATTERY and device.controllable,
            turned=overrides.sign < 0 or overrides.command_sign < 0,
        )

    def findings(self) -> tuple[Finding, ...]:
        """Return what every check says: now, or when there was last enough to tell."""
        seen = SiteSeen(
            subjects=self.subjects,
            traces=self._traces,
            connection_w=self._runtime.controller.capacity_w,
            trials={
                asset_id: result
                for asset_id, (holds_for, result) in self._trials.items()
                if holds_for == self._trial_fingerprint(asset_id)
            },
        )
        return tuple(self._remembered(finding) for finding in judge(seen))

    def _remembered(self, finding: Finding) -> Finding:
        """Return what was seen earlier of this, where nothing can be told now."""
        passed = self._still_passed(finding.asset_id)
        if finding.verdict is not Verdict.WAITING or finding.check not in passed:
            return finding
        return Finding(
            check=finding.check,
            asset_id=finding.asset_id,
            verdict=Verdict.PASSED,
            key=passed[finding.check],
        )

    def _still_passed(self, asset_id: str) -> Mapping[str, str]:
        """Return what an asset has passed as it is configured now."""
        passed, subentry = self._passed.get(asset_id), self._entry.subentries.get(asset_id)
        if passed is None or subentry is None or passed.fingerprint != fingerprint(subentry):
            return {}
        return passed.checks

    def _trial_fingerprint(self, battery_id: str) -> str:
        """Return what a trial depends on: the battery, and every meter that watched it."""
        meters = [device.asset_id for device in self._runtime.of_kind(AssetKind.METER)]
        known = [self._entry.subentries.get(each) for each in (battery_id, *sorted(meters))]
        return " ".join(fingerprint(subentry) for subentry in known if subentry is not None)

    def blockers(self) -> tuple[Finding, ...]:
        """Return what has to pass before the controller may be switched on."""
        return blocking(self.findings(), self.subjects)

    def name_of(self, asset_id: str) -> str:
        """Return what the user calls an asset, or the site."""
        device = self._runtime.devices.get(asset_id)
        return self._entry.title if device is None else device.name

    async def async_report(self) -> str:
        """Return what every check says, in Markdown."""
        findings = self.findings()
        blockers = blocking(findings, self.subjects)
        return await async_report(self._hass, findings, blockers, self.name_of)

    # -- what is done ------------------------------------------------------------------

    async def async_check_ready(self) -> None:
        """Raise ServiceValidationError while control must not be switched on."""
        if self.trying():
            raise ServiceValidationError(translation_domain=DOMAIN, translation_key="trial_running")
        self.async_look()
        blockers = self.blockers()
        if not blockers or self.accepted:
            ir.async_delete_issue(self._hass, DOMAIN, self._issue_id("control_unproven"))
        if not blockers:
            # What control rests on is on disk first: a start after a crash must find it.
            await self.async_save()
            return
        if self.accepted:
            LOGGER.warning(
                "%s: control is switched on without proof, as its user accepts: %s",
                self._entry.title,
                ", ".join(f"{self.name_of(f.asset_id)} {f.check}" for f in blockers),
            )
            return
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="not_proven",
            translation_placeholders={
                "missing": "\n".join(await async_lines(self._hass, blockers, self.name_of))
            },
        )

    @callback
    def async_record_trial(self, result: TrialResult) -> None:
        """Keep how a battery did."""
        battery_id = result.battery_id
        self._trials[battery_id] = (self._trial_fingerprint(battery_id), result)
        self.async_look()

    @callback
    def async_record_passed(self, asset_id: str, checks: Mapping[str, str]) -> None:
        """Keep what an asset has passed, as it is configured now."""
        subentry = self._entry.subentries[asset_id]
        earlier = self._still_passed(asset_id)
        self._passed[asset_id] = Passed(
            fingerprint=fingerprint(subentry), checks={**earlier, **checks}
        )
        self._store.async_delay_save(self._to_store, SAVE_DELAY_S)

    async def async_save(self) -> None:
        """Write down now what is known; the site is about to be let go."""
        await self._store.async_save(self._to_store())

    @callback
    def async_look(self, *_: object) -> None:
        """Judge the site, keep what has passed, forget what fails, and tell the user."""
        findings = self.findings()
        for finding in findings:
            if finding.asset_id == SITE:
                continue
            passed = self._still_passed(finding.asset_id)
            if finding.verdict is Verdict.PASSED and passed.get(finding.check) != finding.key:
                self.async_record_passed(finding.asset_id, {finding.check: finding.key})
            elif finding.verdict is Verdict.FAILED and finding.check in passed.keys() - MOMENTARY:
                del self._passed[finding.asset_id].checks[finding.check]
                self._store.async_delay_save(self._to_store, SAVE_DELAY_S)
        self._async_report(findings)

    async def async_apply(self, fixes: list[Fix]) -> None:
        """Put corrections into force; the site reloads with them."""
        changed: dict[str, dict[str, Any]] = {}

        def data_of(asset_id: str) -> dict[str, Any]:
            return changed.setdefault(asset_id, dict(self._entry.subentries[asset_id].data))

        for fix in fixes:
            data = data_of(fix.asset_id)
            before = Overrides.from_data(data.get(CONF_OVERRIDES, {}))
            data[CONF_OVERRIDES] = before.then(fix.change).to_data()
            if fix.swap_with is not None:
                other = data_of(fix.swap_with)
                data[CONF_ROLE], other[CONF_ROLE] = other[CONF_ROLE], data[CONF_ROLE]
            LOGGER.info("%s: corrected as proposed: %s", self.name_of(fix.asset_id), fix)
        for asset_id, data in changed.items():
            subentry = self._entry.subentries[asset_id]
            self._hass.config_entries.async_update_subentry(self._entry, subentry, data=data)

    # -- issues ------------------------------------------------------------------------

    @callback
    def _async_report(self, findings: Iterable[Finding]) -> None:
        """Make an issue of what goes on failing, and take it back once it does not."""
        failing = {(f.check, f.asset_id): f for f in findings if f.verdict is Verdict.FAILED}
        for key in [key for key in self._lasting if key not in failing]:
            if self._lasting.pop(key) >= LASTING:
                ir.async_delete_issue(self._hass, DOMAIN, _finding_id(self._entry, *key))
        for key, finding in failing.items():
            self._lasting[key] = self._lasting.get(key, 0) + 1
            if self._lasting[key] == LASTING:
                self._entry.async_create_task(self._hass, self._async_raise(finding))
                if finding.check in DISPROVING and blocking([finding], self.subjects):
                    self._entry.async_create_task(self._hass, self._async_disproven(finding))

    async def _async_disproven(self, finding: Finding) -> None:
        """Give the batteries back: what control relies on has turned out to be wrong."""
        controller = self._runtime.controller
        if self.accepted or not controller.settings.enabled:
            return
        sentence = await async_sentence(self._hass, finding)
        name = self.name_of(finding.asset_id)
        LOGGER.warning(
            "%s: control is switched off: %s: %s", self._entry.title, name, finding.check
        )
        await controller.async_change(replace(controller.settings, enabled=False))
        self._async_tell_unproven("control_disproven", {"device": name, "finding": sentence})

    @callback
    def _async_tell_unproven(self, key: str, placeholders: Mapping[str, str]) -> None:
        """Say that control is off because of what is not proven."""
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            self._issue_id("control_unproven"),
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key=key,
            translation_placeholders={"site": self._entry.title, **placeholders},
        )

    async def _async_raise(self, finding: Finding) -> None:
        sentence = await async_sentence(self._hass, finding)
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            _finding_id(self._entry, finding.check, finding.asset_id),
            is_fixable=finding.fix is not None,
            data={
                "entry_id": self._entry.entry_id,
                "check": finding.check.value,
                "asset_id": finding.asset_id,
            },
            severity=ir.IssueSeverity.WARNING,
            translation_key="proof_failed" if finding.fix is None else "proof_fixable",
            translation_placeholders={
                "device": self.name_of(finding.asset_id),
                "site": self._entry.title,
                "finding": sentence,
            },
        )

    def diagnostics(self) -> dict[str, Any]:
        """Return what every check says, and how the batteries did."""
        return {
            "accepted": self.accepted,
            "findings": [asdict(finding) for finding in self.findings()],
            "trials": [asdict(result) for _, result in self._trials.values()],
        }

    # -- storage -----------------------------------------------------------------------

    @callback
    def _to_store(self) -> StoredProof:
        return StoredProof(
            passed={asset_id: asdict(passed) for asset_id, passed in self._passed.items()},
            trials={
                asset_id: {"fingerprint": holds_for, "result": asdict(result)}
                for asset_id, (holds_for, result) in self._trials.items()
            },
        )


def overrides_of(subentry: ConfigSubentry) -> Overrides:
    """Return the corrections of an asset."""
    return Overrides.from_data(subentry.data.get(CONF_OVERRIDES, {}))


def _into(trace: Trace) -> Callable[[Reading | None], None]:
    @callback
    def take(reading: Reading | None) -> None:
        if reading is None:
            trace.miss()
        else:
            trace.add(reading)

    return take


def _finding_id(entry: ComputeLoadConfigEntry, check: Check, asset_id: str) -> str:
    return f"proof_{check}_{asset_id or entry.entry_id}"


def _trial_from(raw: Mapping[str, Any]) -> TrialResult:
    """Return a trial as it was stored. Raises TypeError for what is none."""
    reading = raw["reading"]
    meters = {meter_id: Slope(**slope) for meter_id, slope in raw["meters"].items()}
    return TrialResult(
        **{**raw, "reading": None if reading is None else Slope(**reading), "meters": meters}
    )
