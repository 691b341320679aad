"""Everything that the code says by a key has a text, and every text is used."""

import ast
from collections.abc import Callable, Iterable
import json
from pathlib import Path
import re
import string
from typing import Any

from homeassistant.helpers.entity import EntityDescription
import pytest

from custom_components.computeload import (
    binary_sensor,
    button,
    cluster_controls,
    cluster_sensors,
    event,
    number,
    outage_sensors,
    plan_sensors,
    savings_sensors,
    select,
    sensor_tables,
    signal_sensors,
    switch,
)
from custom_components.computeload.asset_flow.modbus import STEPS
from custom_components.computeload.core.model import AssetKind, Reason
from custom_components.computeload.core.overrides import Overrides
from custom_components.computeload.core.plan import PlanReason
from custom_components.computeload.core.proof import Check, Fix
from custom_components.computeload.core.series import Kind
from custom_components.computeload.core.site import ControlState, Strategy
from custom_components.computeload.core.tariff import preset_names
from custom_components.computeload.drivers.base import DeviceError
from custom_components.computeload.drivers.profile import load_library
from custom_components.computeload.forms import MORE_UNITS
from custom_components.computeload.proof_words import fix_word
from custom_components.computeload.signals.limit import Source
from custom_components.computeload.signals.sources import CARBON_SOURCES, PRICE_SOURCES
from custom_components.computeload.simulator.scenario import shipped_scenarios

PACKAGE = Path(__file__).parents[1] / "custom_components" / "computeload"
KINDS = [kind.value for kind in AssetKind]


@pytest.fixture(name="texts", scope="module")
def texts_fixture() -> dict[str, Any]:
    """Return the English texts."""
    texts: dict[str, Any] = json.loads((PACKAGE / "translations" / "en.json").read_text())
    return texts


def all_subclasses(cls: type[DeviceError]) -> Iterable[type[DeviceError]]:
    """Yield a class and all that come from it."""
    yield cls
    for each in cls.__subclasses__():
        yield from all_subclasses(each)


def names(text: str) -> set[str]:
    """Return the placeholders of a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def modules() -> Iterable[Path]:
    """Return the modules that talk to users: those of the package itself, and its actions."""
    return [*PACKAGE.glob("*.py"), *PACKAGE.glob("actions/*.py")]


def keys_in_code(pattern: str) -> set[str]:
    """Return what a pattern finds in the modules that talk to users."""
    return {key for file in modules() for key in re.findall(pattern, file.read_text())}


def called_with_text(function: str) -> set[str]:
    """Return the first argument of every call of a function by a plain text."""
    found = set()
    for file in modules():
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name | ast.Attribute)
                and function == getattr(node.func, "attr", getattr(node.func, "id", ""))
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                found.add(str(node.args[0].value))
    return found


@pytest.mark.parametrize(
    ("platform", "tables"),
    [
        (
            "sensor",
            [
                sensor_tables.SITE_SENSORS,
                sensor_tables.ASSET_SENSORS,
                sensor_tables.ENERGY_SENSORS,
                (sensor_tables.CHANNEL_POWER_SENSOR, sensor_tables.CHANNEL_ENERGY_SENSOR),
                plan_sensors.PLAN_SENSORS,
                cluster_sensors.CLUSTER_SENSORS,
                signal_sensors.SIGNAL_SENSORS,
                signal_sensors.OPERATOR_SENSORS,
                savings_sensors.SAVINGS_SENSORS,
                outage_sensors.OUTAGE_SENSORS,
                (savings_sensors.BILLED_KW, savings_sensors.BILLED_KVA),
            ],
        ),
        (
            "binary_sensor",
            [
                binary_sensor.SITE_BINARY_SENSORS,
                binary_sensor.PLAN_BINARY_SENSORS,
                binary_sensor.ASSET_BINARY_SENSORS,
            ],
        ),
        ("button", [button.SITE_BUTTONS]),
        ("event", [(event.NEXT_TRAIN, event.OUTAGE, *event.LEVER_EVENTS)]),
        ("number", [number.SITE_NUMBERS, cluster_controls.LEVER_NUMBERS]),
        ("select", [select.SITE_SELECTS, tuple(cluster_controls.CONSENT_SELECTS.values())]),
        ("switch", [switch.SITE_SWITCHES]),
    ],
)
def test_every_entity_has_a_name_and_every_name_an_entity(
    texts: dict[str, Any], platform: str, tables: list[tuple[EntityDescription, ...]]
) -> None:
    used = {each.translation_key for table in tables for each in table}
    assert used == set(texts["entity"][platform])
    keys = [each.key for table in tables[:1] for each in table]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("platform", "key", "words"),
    [
        ("sensor", "controller_reason", Reason),
        ("sensor", "controller_state", ControlState),
        ("select", "strategy", Strategy),
        ("sensor", "price_kind", Kind),
        ("sensor", "plan_reason", PlanReason),
        ("sensor", "plan_status", plan_sensors.Status),
        ("sensor", "operator_limit_source", Source),
    ],
)
def test_every_word_that_an_entity_can_say_is_explained(
    texts: dict[str, Any], platform: str, key: str, words: Iterable[str]
) -> None:
    assert set(texts["entity"][platform][key]["state"]) == {str(word) for word in words}


def test_every_error_of_a_device_has_a_sentence_everywhere_it_can_show(
    texts: dict[str, Any],
) -> None:
    errors = {error.key for error in all_subclasses(DeviceError)}
    assert errors <= set(texts["exceptions"])
    for kind in KINDS:
        assert errors <= set(texts["config_subentries"][kind]["error"])
        assert errors <= set(texts["config_subentries"][kind]["abort"])


def test_every_exception_is_used(texts: dict[str, Any]) -> None:
    raised = keys_in_code(r'translation_key="(\w+)"') | called_with_text("_refuse")
    said = called_with_text("wrong") | called_with_text("failed")
    assert said <= set(texts["exceptions"])
    raised |= said
    errors = {error.key for error in all_subclasses(DeviceError)} | signal_errors("signals")
    assert set(texts["exceptions"]) - raised - errors == set()


OPTIONS = tuple(PACKAGE.glob("options_*.py"))


def signal_errors(part: str) -> set[str]:
    """Return the keys of the errors that signals raise, in one part of the package."""
    files = (PACKAGE / part).glob("*.py") if part else OPTIONS
    return {
        key for file in files for key in re.findall(r'SignalError\(\s*"(\w+)"', file.read_text())
    }


def test_every_error_of_a_signal_has_a_sentence_where_it_shows(texts: dict[str, Any]) -> None:
    own = {
        "tariff_invalid",
        "efficiency_out_of_range",
        "cost_out_of_range",
        "shutdown_out_of_range",
    }
    assert signal_errors("signals") | signal_errors("") | own == set(texts["options"]["error"])
    for key in signal_errors("signals"):
        assert texts["exceptions"][key]["message"] == texts["options"]["error"][key]


def test_the_options_flow_has_exactly_the_texts_that_it_uses(texts: dict[str, Any]) -> None:
    code = "".join(file.read_text() for file in OPTIONS)
    steps = set(re.findall(r"async def async_step_(\w+)\(", code))
    without_a_form = {"check_again", "trial"}
    assert steps - without_a_form == set(texts["options"]["step"])
    assert set(texts["options"]["step"]["init"]["menu_options"]) < steps
    assert set(texts["options"]["step"]["check"]["menu_options"]) < steps
    assert set(re.findall(r'reason="(\w+)"', code)) == set(texts["options"]["abort"])
    fields = {
        name
        for table in (PRICE_SOURCES, CARBON_SOURCES)
        for s in table.values()
        for name in s.fields
    }
    assert set(texts["options"]["step"]["details"]["data"]) == fields | {"exchange_rate"}


def test_every_finding_has_a_sentence_with_the_figures_that_it_fills(
    texts: dict[str, Any],
) -> None:
    code = "".join(file.read_text() for file in (PACKAGE / "core").glob("proof*.py"))
    code += (PACKAGE / "proof_trial.py").read_text()
    checks = "|".join(Check)
    said = set(re.findall(rf'"((?:{checks})_\w+)"', code))
    said |= {key.format(word) for key in SUFFIXED_SIGNS for word in ("pv", "load")}
    said |= {f"trial_{why}" for why in STOPPED}
    sentences = texts["selector"]["proof"]["options"]
    assert set(sentences) == said
    assert {name for text in sentences.values() for name in names(text)} <= FIGURES
    assert set(texts["selector"]["proof_check"]["options"]) == {str(check) for check in Check}


SUFFIXED_SIGNS = ("sign_{}_waiting", "sign_{}_passed", "sign_{}_negative")
STOPPED = {
    *("battery_silent", "connection_full", "control_on", "error", "grid_lost", "meter_silent"),
    *("no_room", "refused", "too_empty", "too_full", "user"),
}
FIGURES = {"delay", "load", "minutes", "missed", "percent", "phase", "polls", "power", "sum"}
FIGURES |= {"total"}


def test_every_fix_can_be_chosen_by_name(texts: dict[str, Any]) -> None:
    fixes = [
        Fix(asset_id="a", swap_with="b"),
        Fix(asset_id="a", change=Overrides(phase_signs=(1, -1, 1))),
        Fix(asset_id="a", change=Overrides(command_sign=-1)),
        Fix(asset_id="a", change=Overrides(sign=-1, swap_counters=True)),
        Fix(asset_id="a", change=Overrides(swap_counters=True)),
        Fix(asset_id="a", change=Overrides(scale=1000.0)),
        Fix(asset_id="a", change=Overrides(counter_scale=0.001)),
    ]
    assert {fix_word(fix) for fix in fixes} == set(texts["selector"]["proof_fix"]["options"])


def test_every_source_can_be_chosen_by_name(texts: dict[str, Any]) -> None:
    choices = texts["selector"]
    assert set(choices["tariff_preset"]["options"]) == {*preset_names(), "none", "document"}
    assert set(choices["price_source"]["options"]) == {*PRICE_SOURCES, "none"}
    assert set(choices["carbon_source"]["options"]) == {*CARBON_SOURCES, "none"}
    assert set(choices["operator_now"]["options"]) == {str(source) for source in Source}


def test_the_site_flow_has_exactly_the_texts_that_it_uses(texts: dict[str, Any]) -> None:
    source = (PACKAGE / "config_flow.py").read_text()
    used = set(re.findall(r'\] = "(\w+)"', source))
    assert used == set(texts["config"]["error"])
    steps = set(re.findall(r'step_id="(\w+)"', source))
    assert steps == set(texts["config"]["step"])


OWN_STEPS = {
    "battery": ("command", "set_entities", "set_actions"),
    "load": ("redfish", "chassis", "prometheus"),
}
"""Steps that only one kind of asset has."""


OF_ADDRESSES = set(re.findall(r'return "(\w+)"', (PACKAGE / "drivers" / "http.py").read_text()))
"""What can be wrong with the address of a server."""


def test_the_device_flow_has_exactly_the_texts_that_it_uses(texts: dict[str, Any]) -> None:
    files = (*(PACKAGE / "asset_flow").glob("*.py"), PACKAGE / "subentry_flow.py")
    source = "".join(file.read_text() for file in files)
    steps = set(re.findall(r"async def async_step_(\w+)\(", source)) - {"reconfigure", "read_only"}
    errors = set(re.findall(r'(?:\] =|"base":) "(\w+)"', source)) | OF_ADDRESSES
    errors |= {error.key for error in all_subclasses(DeviceError)}
    aborts = set(re.findall(r'reason="(\w+)"', source))
    own = {
        "battery": {
            "capacity_missing",
            "capacity_not_positive",
            "limit_missing",
            "limit_negative",
            "mode_unknown",
            "never_zero",
            "not_a_power",
            "one_way",
            "same_number",
        },
        "load": {
            "channels_out_of_range",
            "channels_not_distinct",
            "no_chassis",
            "url_with_more",
            "url_wrong",
        },
        "meter": {"grid_meter_exists"},
    }
    for kind in KINDS:
        flow = texts["config_subentries"][kind]
        steps_of_others = set().union(*(s for other, s in OWN_STEPS.items() if other != kind))
        assert set(flow["step"]) == steps - steps_of_others
        of_others = set().union(*(keys for other, keys in own.items() if other != kind))
        assert set(flow["error"]) == errors - of_others
        assert aborts <= set(flow["abort"])


def test_the_cluster_flow_has_exactly_the_texts_that_it_uses(texts: dict[str, Any]) -> None:
    code, flow = (PACKAGE / "cluster_flow.py").read_text(), texts["config_subentries"]["cluster"]
    steps = set(re.findall(r"async def async_step_(\w+)\(", code)) - {"reconfigure"}
    assert set(flow["step"]) == steps
    servers = {"device_error", "invalid_auth", "server_unreachable", "certificate"}
    servers |= {"server_silent", "server_refused", "server_payload", "wrong_device"}
    own = {"name_missing", "nodes_unreadable", "nodes_unknown", "url_wrong", "url_with_more"}
    assert set(flow["error"]) == servers | own | {"entity_silent"}
    aborts = {"already_configured", "reconfigure_successful", "simulated"}
    assert set(flow["abort"]) == aborts


def without_own_fields(flow: dict[str, Any], steps: tuple[str, ...]) -> dict[str, Any]:
    """Return the texts of a flow that every kind of device has."""
    shared = {step: text for step, text in flow["step"].items() if step not in steps}
    return {"step": shared, "abort": flow["abort"]}


def test_every_further_unit_id_is_asked_for_in_words(texts: dict[str, Any]) -> None:
    names = {
        f"{MORE_UNITS}{name}"
        for profile in load_library().profiles.values()
        for name in profile.link.more_unit_ids
    }
    for kind in KINDS:
        steps = texts["config_subentries"][kind]["step"]
        for step in STEPS.values():
            labels = {key for key in steps[step]["data"] if key.startswith(MORE_UNITS)}
            assert labels == names
            assert names <= steps[step]["data_description"].keys()


def test_all_kinds_of_devices_share_their_wording(texts: dict[str, Any]) -> None:
    flows = [texts["config_subentries"][kind] for kind in KINDS]
    own = ("user", "modbus", "entities", "confirm", *OWN_STEPS["battery"], *OWN_STEPS["load"])
    first, *rest = [without_own_fields(flow, own) for flow in flows]
    assert all(flow == first for flow in rest)


def test_the_details_of_an_error_are_at_hand_where_it_shows(texts: dict[str, Any]) -> None:
    in_flow = {
        "cannot_connect": {"address", "unit_id"},
        "no_answer": {"address", "unit_id"},
        "wrong_device": {"address", "unit_id", "expected", "found"},
        "refused": {"address", "unit_id", "what", "code"},
        "device_error": {"address", "unit_id"},
        "server_silent": {"address", "timeout_s"},
        "server_refused": {"address", "what", "code"},
        "server_payload": {"address", "what"},
        "query": {"what"},
        "entity_silent": {"entity"},
        "entity_unit": {"entity", "unit", "units"},
    }
    for kind in KINDS:
        for key, known in in_flow.items():
            assert names(texts["config_subentries"][kind]["error"][key]) <= known
    in_log = {
        "wrong_device": {"device", "expected", "found"},
        "refused": {"device", "what", "code"},
        "server_silent": {"device", "timeout_s"},
        "server_refused": {"device", "what", "code"},
        "server_payload": {"device", "what"},
        "query": {"device", "what"},
        "entity_silent": {"device", "entity"},
        "entity_unit": {"device", "entity", "unit", "units"},
    }
    for error in all_subclasses(DeviceError):
        known = in_log.get(error.key, {"device"})
        assert names(texts["exceptions"][error.key]["message"]) <= known


def test_every_issue_has_a_title_and_a_remedy(texts: dict[str, Any]) -> None:
    told = {
        "carbon_failed": {"site", "details"},
        "control_disproven": {"site", "device", "finding"},
        "control_unproven": {"site"},
        "lever_refused": {"cluster", "error"},
        "ledger_not_written": {"problem", "site", "waiting"},
        "meter_missing": {"site"},
        "meter_silent": {"device", "site"},
        "optimiser_missing": {"site"},
        "not_following": {"device", "site"},
        "not_released": {"device", "site"},
        "operator_signal_lost": {"entity", "limit", "site"},
        "price_failed": {"details", "site"},
        "price_gaps": {"details", "site"},
        "price_tomorrow_missing": {"site"},
        "profile_broken": {"file", "mistakes"},
        "proof_failed": {"device", "finding", "site"},
        "proof_fixable": {"device", "finding", "fix", "site"},
        "pv_failed": {"details", "site"},
        "tariff_broken": {"details", "site"},
    }
    assert set(texts["issues"]) == set(told)
    for key, issue in texts["issues"].items():
        flow = issue.get("fix_flow", {}).get("step", {}).get("confirm", {})
        remedy = issue.get("description") or flow["description"]
        assert names(issue["title"]) | names(remedy) == told[key]
        assert "Check" in remedy or "correction" in remedy


def test_every_scenario_can_be_chosen_by_name(texts: dict[str, Any]) -> None:
    assert set(texts["selector"]["scenario"]["options"]) == set(shipped_scenarios())


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(lambda text: not text.endswith(" "), id="no space at the end"),
        pytest.param(lambda text: "  " not in text, id="no double spaces"),
        pytest.param(lambda text: "!" not in text, id="calm"),
    ],
)
def test_texts_are_tidy(texts: dict[str, Any], rule: Callable[[str], bool]) -> None:
    def all_of(tree: object) -> Iterable[str]:
        if isinstance(tree, dict):
            for each in tree.values():
                yield from all_of(each)
        else:
            yield str(tree)

    assert [text for text in all_of(texts) if not rule(text)] == []
