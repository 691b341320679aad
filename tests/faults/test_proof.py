"""Control starts only on a proven site: what is wrong is found, mended, tried out."""

from dataclasses import replace
import logging
from typing import Any, cast

from homeassistant.components.persistent_notification import _async_get_or_create_notifications
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.translation import async_get_exception_message
import pytest

from custom_components.computeload.const import CONF_OVERRIDES, DOMAIN
from custom_components.computeload.core.model import Quantity
from custom_components.computeload.core.proof import Check, Finding, Fix, Verdict
from custom_components.computeload.proof import LASTING, LOOK_EVERY
from custom_components.computeload.repairs import ApplyFixFlow, async_create_fix_flow
from custom_components.computeload.simulator.faults import Fault
from custom_components.computeload.simulator.server import SimulatedSite
from tests.common import add_asset

from .lab import SHAVING_KW, Lab, installed_lab

SEEN_S = 12.0
TRIAL_S = 60.0


async def new_lab(hass: HomeAssistant, site: SimulatedSite, **overrides: dict[str, Any]) -> Lab:
    """Return a lab that has just been set up, and been looked at for some seconds.

    ``overrides`` are corrections of devices that need none: their mistakes, that is.
    """
    lab = await installed_lab(hass, site, SHAVING_KW, overrides=overrides)
    await lab.seconds(SEEN_S)
    return lab


def found(lab: Lab, check: Check, asset_id: str) -> Finding:
    """Return what a check says now."""
    findings = lab.runtime.proof.findings()
    return next(f for f in findings if (f.check, f.asset_id) == (check, asset_id))


async def open_check(lab: Lab) -> Any:
    """Open the options, and choose to check the site."""
    flows = lab.hass.config_entries.options
    menu = await flows.async_init(lab.entry.entry_id)
    return await flows.async_configure(menu["flow_id"], {"next_step_id": "check"})


def report(menu: Any) -> str:
    """Return what the menu shows of every check."""
    return str(menu["description_placeholders"]["report"])


async def choose(lab: Lab, menu: Any, step: str, answers: dict[str, Any] | None = None) -> Any:
    """Choose a step of the menu, and answer its form."""
    flows = lab.hass.config_entries.options
    shown = await flows.async_configure(menu["flow_id"], {"next_step_id": step})
    return shown if answers is None else await flows.async_configure(menu["flow_id"], answers)


async def mend(lab: Lab) -> None:
    """Mend what is proposed, as the user does with one click."""
    menu = await open_check(lab)
    assert "apply_fixes" in menu["menu_options"]
    form = await choose(lab, menu, "apply_fixes")
    proposed = form["data_schema"]({})
    done = await lab.hass.config_entries.options.async_configure(menu["flow_id"], proposed)
    assert done["reason"] == "fixes_applied"
    await lab.hass.async_block_till_done()
    await lab.seconds(SEEN_S)


async def try_out(lab: Lab, *battery_ids: str) -> None:
    """Try batteries out, and wait for the end."""
    lab.runtime.trials.async_begin(battery_ids or ("cabinet1", "cabinet2"))
    await lab.until(lambda: not lab.runtime.trials.running, within_s=3.0 * TRIAL_S)


async def refusal(lab: Lab) -> str:
    """Try to switch control on, and return what the user reads."""
    with pytest.raises(ServiceValidationError) as error:
        await lab.switch(on=True)
    assert lab.state("switch.lab_controller") == "off"
    assert error.value.translation_key is not None
    return async_get_exception_message(
        DOMAIN, error.value.translation_key, error.value.translation_placeholders
    )


async def test_control_starts_once_the_batteries_were_tried_out_in_the_dialog(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    lab = await new_lab(hass, site)
    said = await refusal(lab)
    assert "Battery cabinet 1: It has not been tried out yet" in said
    assert "Battery cabinet 2: It has not been tried out yet" in said
    assert "Grid meter" not in said

    menu = await open_check(lab)
    assert "apply_fixes" not in menu["menu_options"]
    assert "**Grid meter**" in report(menu)
    form = await choose(lab, menu, "try_batteries")
    consent = form["data_schema"]({})
    assert consent == {"batteries": ["cabinet1", "cabinet2"]}
    progress = await hass.config_entries.options.async_configure(menu["flow_id"], consent)
    assert progress["type"] == "progress"
    await lab.until(lambda: abs(lab.command_w) > 500.0, within_s=5.0)
    assert "being tried out" in await refusal(lab)
    await lab.until(lambda: not lab.runtime.trials.running, within_s=2.0 * TRIAL_S)
    await hass.async_block_till_done()
    again = await hass.config_entries.options.async_configure(menu["flow_id"])
    assert "❌" not in report(again)
    await lab.until(lambda: lab.released, within_s=5.0)

    await lab.switch(on=True)
    await lab.until(lambda: lab.battery_w > 5_000.0, within_s=20.0)
    await lab.put_away()


async def test_a_trial_moves_little_and_never_draws_more_than_it_gave(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    lab = await new_lab(hass, site)
    cabinet = lab.cabinets[0]
    began_s = lab.now_s
    await try_out(lab, "cabinet1")
    assert lab.now_s - began_s < TRIAL_S
    told = list(lab.writes_since(began_s, "cabinet1"))
    assert told
    assert lab.writes_since(began_s, "cabinet2") == []
    assert cabinet.discharged_ws > cabinet.charged_ws > 0.0
    # A tenth of 15 kW, for some 20 s.
    assert cabinet.discharged_ws < 1_600.0 * 25.0
    assert found(lab, Check.COMMAND, "cabinet1").key == "command_passed"
    assert found(lab, Check.COMMAND, "cabinet2").key == "command_not_tried"
    await lab.until(lambda: cabinet.command_w is None, within_s=3.0)
    await lab.put_away()


async def test_a_meter_that_is_turned_is_found_and_one_click_later_control_works(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    lab = await new_lab(hass, site, grid={"sign": -1, "swap_counters": True})
    wrong = found(lab, Check.SIGN, "grid")
    assert (wrong.verdict, wrong.key) == (Verdict.FAILED, "sign_grid_exports_at_rest")
    assert "Either it is the wrong way round" in await refusal(lab)

    await mend(lab)
    assert lab.entry.subentries["grid"].data[CONF_OVERRIDES].get("sign") is None
    assert found(lab, Check.SIGN, "grid").verdict is Verdict.PASSED
    await try_out(lab)
    await lab.switch(on=True)
    await lab.until(lambda: lab.battery_w > 5_000.0, within_s=20.0)
    await lab.put_away()


@pytest.mark.parametrize(
    ("overrides", "check", "key"),
    [
        ({"sign": -1}, Check.SIGN, "sign_battery_against_trial"),
        ({"command_sign": -1}, Check.COMMAND, "command_other_way"),
        ({"scale": 0.001}, Check.UNIT, "unit_too_small"),
    ],
    ids=["reads the other way", "obeys the other way", "in kW"],
)
async def test_a_battery_with_a_mistake_is_found_by_its_trial_and_mended(
    hass: HomeAssistant, site: SimulatedSite, overrides: dict[str, Any], check: Check, key: str
) -> None:
    lab = await new_lab(hass, site, cabinet1=overrides)
    await try_out(lab, "cabinet1")
    assert found(lab, check, "cabinet1").key == key
    assert found(lab, Check.SIGN, "grid").verdict is Verdict.PASSED
    await refusal(lab)
    await mend(lab)
    assert lab.entry.subentries["cabinet1"].data[CONF_OVERRIDES] == {}
    await try_out(lab)
    await lab.switch(on=True)
    await lab.until(lambda: lab.battery_w > 5_000.0, within_s=20.0)
    await lab.put_away()


@pytest.mark.parametrize(
    ("fault", "parameters", "key"),
    [
        (Fault.IGNORED_WRITES, {}, "command_ignored"),
        (Fault.REFUSED_WRITES, {"code": 4}, "trial_refused"),
        (Fault.FROZEN, {}, "command_not_seen"),
    ],
)
async def test_a_battery_that_does_not_do_as_told_keeps_control_off(
    hass: HomeAssistant,
    site: SimulatedSite,
    fault: Fault,
    parameters: dict[str, float],
    key: str,
) -> None:
    lab = await new_lab(hass, site)
    await lab.fault("cabinet1", fault, **parameters)
    await try_out(lab, "cabinet1")
    wrong = found(lab, Check.COMMAND, "cabinet1")
    assert (wrong.verdict, wrong.key) == (Verdict.FAILED, key)
    await refusal(lab)

    await lab.mend()
    await lab.until(lambda: lab.released, within_s=70.0)
    await try_out(lab)
    await lab.switch(on=True)
    await lab.put_away()


async def test_a_battery_that_reacts_late_passes_with_its_delay_and_a_later_one_does_not(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    lab = await new_lab(hass, site)
    for delay_s, passes in ((10.0, True), (60.0, False)):
        for cabinet in lab.cabinets[:1]:
            cabinet.spec = replace(cabinet.spec, delay_s=delay_s)
        await try_out(lab, "cabinet1")
        tried = found(lab, Check.COMMAND, "cabinet1")
        assert (tried.key == "command_passed") == passes
        assert not passes or 9.0 < tried.figures["delay_s"] < 14.0
        await lab.until(lambda: lab.cabinets[0].command_w is None, within_s=5.0)
        await lab.seconds(60.0)
    await lab.put_away()


async def test_a_battery_at_its_reserve_is_not_moved(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    lab = await new_lab(hass, site)
    await lab.fault("cabinet1", Fault.SOC_JUMP, soc=0.08)
    await lab.seconds(8.0)
    began_s = lab.now_s
    await try_out(lab, "cabinet1")
    assert found(lab, Check.COMMAND, "cabinet1").key == "trial_too_empty"
    assert lab.writes_since(began_s, "cabinet1") == []
    await lab.put_away()


async def test_nothing_ticked_means_nothing_done(hass: HomeAssistant, site: SimulatedSite) -> None:
    lab = await new_lab(hass, site, roof={"sign": -1})
    menu = await open_check(lab)
    again = await choose(lab, menu, "check_again")
    again = await choose(lab, again, "try_batteries", {"batteries": []})
    again = await choose(lab, again, "apply_fixes", {"fixes": []})
    assert "❌" in report(again)
    assert not lab.runtime.trials.running
    assert lab.entry.subentries["roof"].data[CONF_OVERRIDES] == {"sign": -1}
    await lab.put_away()


async def test_a_damaged_proof_is_no_proof(shaving: Lab, hass_storage: dict[str, Any]) -> None:
    lab = shaving
    assert await lab.hass.config_entries.async_unload(lab.entry.entry_id)
    hass_storage["computeload.proof.site"]["data"] = {"passed": {"grid": {"what": 1}}, "trials": {}}
    assert await lab.hass.config_entries.async_setup(lab.entry.entry_id)
    assert lab.state("switch.lab_controller") == "off"
    assert lab.issue("control_unproven", lab.entry.entry_id)


async def test_a_trial_that_passed_is_remembered_with_its_figures(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    lab = await new_lab(hass, site)
    await try_out(lab, "cabinet1")
    before = found(lab, Check.COMMAND, "cabinet1")
    assert await hass.config_entries.async_reload(lab.entry.entry_id)
    assert found(lab, Check.COMMAND, "cabinet1") == before
    await lab.put_away()


async def in_mid_trial(lab: Lab) -> None:
    """Begin a trial, and wait until the battery is charging."""
    lab.runtime.trials.async_begin(["cabinet1"])
    await lab.until(lambda: lab.cabinets[0].power_w < -500.0, within_s=20.0)


async def test_a_trial_whose_dialog_is_closed_ends_in_release(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    lab = await new_lab(hass, site)
    menu = await open_check(lab)
    await choose(lab, menu, "try_batteries", {"batteries": ["cabinet1"]})
    await lab.until(lambda: lab.cabinets[0].power_w < -500.0, within_s=20.0)
    hass.config_entries.options.async_abort(menu["flow_id"])
    await lab.until(lambda: lab.cabinets[0].command_w is None, within_s=3.0)
    await lab.until(lambda: not lab.runtime.trials.running, within_s=20.0)
    assert found(lab, Check.COMMAND, "cabinet1").key == "trial_user"
    await lab.put_away()


async def test_a_trial_ends_in_release_when_the_site_is_unloaded(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    lab = await new_lab(hass, site)
    await in_mid_trial(lab)
    assert await hass.config_entries.async_unload(lab.entry.entry_id)
    assert lab.cabinets[0].command_w is None
    await lab.seconds(5.0)
    assert lab.cabinets[0].command_w is None
    assert lab.cabinets[0].lapses == 0


async def test_a_trial_ends_in_release_when_home_assistant_stops(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    lab = await new_lab(hass, site)
    await in_mid_trial(lab)
    await hass.async_stop()
    assert lab.cabinets[0].command_w is None
    await lab.seconds(5.0)
    assert lab.cabinets[0].command_w is None


@pytest.mark.parametrize(
    ("device_id", "key"), [("grid", "trial_meter_silent"), ("cabinet1", "trial_battery_silent")]
)
async def test_a_trial_ends_in_release_when_a_link_is_lost(
    hass: HomeAssistant, site: SimulatedSite, device_id: str, key: str
) -> None:
    lab = await new_lab(hass, site)
    await in_mid_trial(lab)
    await lab.fault(device_id, Fault.NO_ANSWER)
    await lab.until(lambda: not lab.runtime.trials.running, within_s=40.0)
    assert found(lab, Check.COMMAND, "cabinet1").key == key
    await lab.mend()
    await lab.until(lambda: lab.cabinets[0].command_w is None, within_s=40.0)
    assert not any(writer.engaged for writer in lab.controller.crew.writers.values())
    await lab.put_away()


async def test_a_programming_error_in_a_trial_ends_in_release(
    hass: HomeAssistant,
    site: SimulatedSite,
    monkeypatch: pytest.MonkeyPatch,
    bugs_are_logged: None,
) -> None:
    lab = await new_lab(hass, site)
    await in_mid_trial(lab)
    monkeypatch.setattr("custom_components.computeload.proof_trial.obstacle", lambda: None)
    await lab.until(lambda: not lab.runtime.trials.running, within_s=5.0)
    await lab.until(lambda: lab.cabinets[0].command_w is None, within_s=3.0)
    assert found(lab, Check.COMMAND, "cabinet1").key == "trial_error"
    await lab.put_away()


async def test_who_takes_the_risk_by_name_may_switch_on_and_the_log_says_so(
    hass: HomeAssistant, site: SimulatedSite, caplog: pytest.LogCaptureFixture
) -> None:
    lab = await new_lab(hass, site)
    await refusal(lab)
    menu = await open_check(lab)
    await choose(lab, menu, "accept_unproven", {"accept_unproven": True})
    await hass.async_block_till_done()
    await lab.seconds(SEEN_S)
    await lab.switch(on=True)
    assert lab.state("switch.lab_controller") == "on"
    assert lab.logged(caplog, logging.WARNING, "switched on without proof") == 1
    await lab.put_away()


async def test_a_changed_device_ends_control_until_it_is_proven_again(
    shaving: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab, subentry = shaving, shaving.entry.subentries["grid"]
    data = {**subentry.data, "unit_id": 1, CONF_OVERRIDES: {"counter_scale": 1000.0}}
    lab.hass.config_entries.async_update_subentry(lab.entry, subentry, data=data)
    await lab.hass.async_block_till_done()
    await lab.until(lambda: lab.state("switch.lab_controller") == "off", within_s=5.0)
    await lab.until(lambda: lab.released, within_s=5.0)
    assert lab.issue("control_unproven", lab.entry.entry_id)
    assert lab.logged(caplog, logging.WARNING, "not proven any more") == 1

    await lab.seconds(SEEN_S)
    await lab.switch(on=True)
    assert not lab.issue("control_unproven", lab.entry.entry_id)


async def test_what_was_proven_is_still_proven_after_a_restart(shaving: Lab) -> None:
    lab = shaving
    assert await lab.hass.config_entries.async_reload(lab.entry.entry_id)
    assert lab.state("switch.lab_controller") == "on"
    assert lab.runtime.proof.blockers() == ()


async def test_the_button_shows_what_every_check_says(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    lab = await new_lab(hass, site)
    await lab.call("button", "press", "button.lab_check_site")
    (shown,) = _async_get_or_create_notifications(hass).values()
    assert "**Battery cabinet 1**" in shown["message"]
    assert "✅" in shown["message"]
    await lab.put_away()


async def test_meters_that_have_each_others_place_exchange_their_roles(
    hass: HomeAssistant, site: SimulatedSite
) -> None:
    lab = await new_lab(hass, site)
    add_asset(hass, lab.entry, site, "grid", subentry_id="branch", role="branch", poll_s=1.0)
    await hass.async_block_till_done()
    await lab.runtime.proof.async_apply([Fix(asset_id="branch", swap_with="grid")])
    await hass.async_block_till_done()
    roles = {key: lab.entry.subentries[key].data["role"] for key in ("branch", "grid")}
    assert roles == {"branch": "grid", "grid": "branch"}
    assert lab.controller.view.meter is lab.runtime.devices["branch"]
    await lab.put_away()


async def test_what_goes_wrong_later_becomes_an_issue_that_one_click_mends(
    shaving: Lab,
) -> None:
    lab, hass = shaving, shaving.hass
    await lab.fault("roof", Fault.WRONG_VALUES, quantity=Quantity.POWER_W.value, factor=-1.0)
    lasts_s = (LASTING + 1) * LOOK_EVERY.total_seconds()
    await lab.until(lambda: lab.issue("proof_sign", "roof"), within_s=300.0 + lasts_s)
    issue = ir.async_get(hass).async_get_issue(DOMAIN, "proof_sign_roof")
    assert issue is not None
    assert issue.is_fixable
    assert issue.translation_placeholders is not None
    assert "the wrong way round" in issue.translation_placeholders["finding"]

    flow = cast("ApplyFixFlow", await async_create_fix_flow(hass, issue.issue_id, issue.data))
    flow.hass = hass
    form = await flow.async_step_init()
    assert form["description_placeholders"] is not None
    assert form["description_placeholders"]["fix"] == "Roof PV: turn its power round"
    assert (await flow.async_step_confirm({}))["type"] == "create_entry"
    await hass.async_block_till_done()
    assert lab.entry.subentries["roof"].data[CONF_OVERRIDES] == {"sign": -1}
    # PV carries no proof that control depends on.
    assert lab.state("switch.lab_controller") == "on"
    await lab.until(lambda: found(lab, Check.SIGN, "roof").verdict is Verdict.PASSED, within_s=60.0)


async def test_control_ends_when_its_meter_turns_out_to_be_the_wrong_way_round(
    shaving: Lab,
) -> None:
    lab = shaving
    await lab.fault("grid", Fault.WRONG_VALUES, quantity=Quantity.POWER_W.value, factor=-1.0)
    await lab.until(lambda: lab.state("switch.lab_controller") == "off", within_s=180.0)
    issue = ir.async_get(lab.hass).async_get_issue(DOMAIN, "control_unproven_site")
    assert issue is not None
    assert issue.translation_key == "control_disproven"
    writers = lab.controller.crew.writers.values()
    await lab.until(lambda: not any(each.engaged for each in writers), within_s=10.0)


async def test_an_issue_whose_cause_is_gone_has_nothing_to_mend(shaving: Lab) -> None:
    data: dict[str, str | int | float | None]
    data = {"entry_id": shaving.entry.entry_id, "check": "sign", "asset_id": "roof"}
    flow = cast("ApplyFixFlow", await async_create_fix_flow(shaving.hass, "proof_sign_roof", data))
    flow.hass = shaving.hass
    assert (await flow.async_step_init())["reason"] == "gone"
