"""What hassfest and HACS ask of the shape of the integration's files.

Both run only on GitHub. Their rules stand here as schemas, and Home Assistant's own validators
are called wherever the installed one has them.
"""

import ast
import json
from pathlib import Path
import re
from typing import Any, Final

from homeassistant.helpers import condition, config_validation as cv, selector, service
from homeassistant.helpers.trigger import descriptions
from homeassistant.util.yaml import load_yaml_dict
import pytest
import voluptuous as vol
import yaml

from custom_components.computeload.condition import CONDITIONS
from custom_components.computeload.trigger import TRIGGERS

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = ROOT / "custom_components" / "computeload"
DISCOVERIES: Final = ("bluetooth", "dhcp", "homekit", "mqtt", "ssdp", "usb", "zeroconf")
"""What a manifest may ask to be told of; its flow needs a step for each."""


def load(file: Path) -> dict[str, Any]:
    """Return a JSON file's object."""
    content: dict[str, Any] = json.loads(file.read_text())
    return content


# -- manifest ------------------------------------------------------------------------------


def own_documentation(url: str) -> str:
    """Accept a page of the project's own."""
    if not url.startswith("https://") or url.startswith("https://www.home-assistant.io/"):
        raise vol.Invalid("a page of the project's own, over https")
    return url


def requirement(text: str) -> str:
    """Accept a requirement without spaces."""
    if " " in text:
        raise vol.Invalid("no spaces")
    return text


def lower(text: str) -> str:
    """Accept what is compared with lower-case names."""
    if text != text.lower():
        raise vol.Invalid("lower case only")
    return text


MAC: Final = vol.All(str, vol.Match(r"^[0-9A-F]{6,12}\*?$"))
MANIFEST: Final = vol.Schema(
    {
        vol.Required("domain"): cv.slug,
        vol.Required("name"): str,
        vol.Required("codeowners"): [vol.All(str, vol.Match(r"^@[\w-]+(/[\w-]+)?$"))],
        vol.Required("config_flow"): True,
        vol.Required("documentation"): vol.All(vol.Url(), own_documentation),
        vol.Required("integration_type"): vol.In(
            ["device", "entity", "hardware", "helper", "hub", "service", "system"]
        ),
        vol.Required("iot_class"): vol.In(
            [
                "assumed_state",
                "calculated",
                "cloud_polling",
                "cloud_push",
                "local_polling",
                "local_push",
            ]
        ),
        vol.Required("issue_tracker"): vol.Url(),
        vol.Required("version"): vol.Match(r"^\d+\.\d+\.\d+([ab.]\w+)?$"),
        vol.Optional("after_dependencies"): [cv.slug],
        vol.Optional("dependencies"): [cv.slug],
        vol.Optional("import_executor"): bool,
        vol.Optional("loggers"): [str],
        vol.Optional("requirements"): [requirement],
        vol.Optional("single_config_entry"): bool,
        vol.Optional("dhcp"): [
            {
                vol.Optional("macaddress"): MAC,
                vol.Optional("hostname"): vol.All(str, lower),
                vol.Optional("registered_devices"): True,
            }
        ],
        vol.Optional("ssdp"): [vol.All({str: str}, vol.Length(min=1))],
        vol.Optional("zeroconf"): [
            vol.Any(
                vol.Match(r"^_[\w-]+\._(tcp|udp)\.local\.$"),
                {
                    vol.Required("type"): vol.Match(r"^_[\w-]+\._(tcp|udp)\.local\.$"),
                    vol.Optional("name"): vol.All(str, lower),
                    vol.Optional("properties"): {str: lower},
                },
            )
        ],
    }
)


def test_the_manifest_has_the_right_keys_and_values() -> None:
    MANIFEST(load(PACKAGE / "manifest.json"))


def functions(file: Path) -> set[str]:
    """Return the names of all functions of a module."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, kinds)}


def test_the_flow_has_a_step_for_every_discovery_and_gives_entries_a_unique_id() -> None:
    asked = [kind for kind in DISCOVERIES if kind in load(PACKAGE / "manifest.json")]
    flow = PACKAGE / "config_flow.py"
    assert {f"async_step_{kind}" for kind in asked} <= functions(flow)
    assert "async_set_unique_id(" in flow.read_text()


def test_the_entry_point_says_that_it_cannot_be_configured_in_yaml() -> None:
    module = PACKAGE / "__init__.py"
    if "async_setup" in functions(module):
        assert re.search(
            r"^CONFIG_SCHEMA\b.*config_entry_only_config_schema", module.read_text(), re.MULTILINE
        )


# -- texts ---------------------------------------------------------------------------------


def words(text: object) -> str:
    """Accept a text as hassfest does."""
    text = cv.string_with_no_html(text)
    if not text or text != text.strip():
        raise vol.Invalid("empty, or with spaces around it")
    if re.search(r"'\{\w+\}'|\w+://|www\.", text):
        raise vol.Invalid("no placeholder in single quotes, no address")
    return text


KEY: Final = vol.Match(r"^(?!.+[_-]{2})(?![_-])[a-z0-9-_]+(?<![_-])$")
TEXTS: Final = {KEY: words}
FIELD: Final = {vol.Required("name"): words, vol.Required("description"): words}
SAID: Final = {
    vol.Required("name"): words,
    vol.Required("description"): words,
    vol.Optional("fields"): {KEY: FIELD},
    vol.Optional("sections"): {
        KEY: {vol.Required("name"): words, vol.Optional("description"): words}
    },
}
"""An action, a trigger or a condition."""
STEP: Final = {
    vol.Optional("title"): words,
    vol.Optional("description"): words,
    vol.Optional("data"): TEXTS,
    vol.Optional("data_description"): TEXTS,
    vol.Optional("menu_options"): TEXTS,
    vol.Optional("menu_option_descriptions"): TEXTS,
    vol.Optional("submit"): words,
    vol.Optional("sections"): {
        KEY: {
            vol.Optional("name"): words,
            vol.Optional("description"): words,
            vol.Optional("data"): TEXTS,
            vol.Optional("data_description"): TEXTS,
        }
    },
}
FLOW: Final = {
    vol.Required("step"): {KEY: STEP},
    vol.Optional("flow_title"): words,
    vol.Optional("error"): TEXTS,
    vol.Optional("abort"): TEXTS,
    vol.Optional("progress"): TEXTS,
    vol.Optional("create_entry"): TEXTS,
}
SUBENTRY: Final = {
    **FLOW,
    vol.Required("entry_type"): words,
    vol.Required("initiate_flow"): vol.Schema({vol.Required("user"): words}, extra=vol.ALLOW_EXTRA),
}
ISSUE: Final = vol.Any(
    {vol.Required("title"): words, vol.Required("description"): words},
    {vol.Required("title"): words, vol.Required("fix_flow"): FLOW},
)
ENTITY: Final = {
    vol.Optional("name"): words,
    vol.Optional("state"): TEXTS,
    vol.Optional("state_attributes"): {
        KEY: {vol.Optional("name"): words, vol.Optional("state"): TEXTS}
    },
    vol.Optional("unit_of_measurement"): words,
}
TRANSLATIONS: Final = vol.Schema(
    {
        vol.Required("title"): words,
        vol.Required("config"): FLOW,
        vol.Required("options"): FLOW,
        vol.Required("config_subentries"): {KEY: SUBENTRY},
        vol.Optional("selector"): {KEY: vol.Schema({"options": TEXTS}, extra=vol.ALLOW_EXTRA)},
        vol.Required("entity"): {KEY: {KEY: ENTITY}},
        vol.Optional("device"): {KEY: {vol.Required("name"): words}},
        vol.Optional("services"): {KEY: SAID},
        vol.Optional("triggers"): {KEY: SAID},
        vol.Optional("conditions"): {KEY: SAID},
        vol.Optional("exceptions"): {KEY: {vol.Required("message"): words}},
        vol.Optional("issues"): {KEY: ISSUE},
        vol.Optional("system_health"): {vol.Required("info"): TEXTS},
        vol.Optional("config_panel"): {KEY: TEXTS},
        vol.Optional("device_automation"): {KEY: TEXTS},
    }
)


@pytest.mark.parametrize(
    "file", sorted((PACKAGE / "translations").glob("*.json")), ids=lambda file: file.stem
)
def test_the_texts_have_the_shape_that_home_assistant_reads(file: Path) -> None:
    assert re.fullmatch(r"[a-z]{2}(-[A-Z][A-Za-z]+)?", file.stem)
    TRANSLATIONS(load(file))


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("title",), "<b>Computeload</b>"),
        (("title",), "see www.example.org"),
        (("title",), " Computeload"),
        (("exceptions", "no_plan"), {"text": "None"}),
        (("issues", "price_failed"), {"title": "No prices"}),
        (("entity", "sensor", "power"), {"label": "Power"}),
        (("config", "steps"), {}),
    ],
)
def test_texts_of_another_shape_are_refused(path: tuple[str, ...], wrong: object) -> None:
    texts = load(PACKAGE / "translations" / "en.json")
    place = texts
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = wrong
    with pytest.raises(vol.Invalid):
        TRANSLATIONS(texts)


# -- actions and icons ---------------------------------------------------------------------

ICON: Final = vol.Match(r"^mdi:[a-z0-9-]+$")
ICONS: Final = vol.Schema(
    {
        vol.Optional("entity"): {
            KEY: {
                KEY: {
                    vol.Required("default"): ICON,
                    vol.Optional("state"): {str: ICON},
                    vol.Optional("range"): {vol.Match(r"^\d+(\.\d+)?$"): ICON},
                    vol.Optional("state_attributes"): dict,
                }
            }
        },
        vol.Optional("services"): {
            KEY: {vol.Required("service"): ICON, vol.Optional("sections"): {KEY: ICON}}
        },
        vol.Optional("triggers"): {KEY: {vol.Required("trigger"): ICON}},
        vol.Optional("conditions"): {KEY: {vol.Required("condition"): ICON}},
    }
)


def test_the_icons_have_the_shape_that_home_assistant_reads() -> None:
    ICONS(load(PACKAGE / "icons.json"))


def test_home_assistant_accepts_every_action_and_its_selectors() -> None:
    actions = load_yaml_dict(str(PACKAGE / "services.yaml"))
    service._SERVICES_SCHEMA(actions)
    for name, action in actions.items():
        for field, about in (action or {}).get("fields", {}).items():
            assert selector.validate_selector(about["selector"]), f"{name}.{field}"


@pytest.mark.parametrize(
    ("kind", "described", "schema"),
    [
        ("triggers", TRIGGERS, descriptions._TRIGGERS_DESCRIPTION_SCHEMA),
        ("conditions", CONDITIONS, condition._CONDITIONS_DESCRIPTION_SCHEMA),
    ],
)
def test_every_trigger_and_condition_is_described_named_and_has_an_icon(
    kind: str, described: dict[str, object], schema: vol.Schema
) -> None:
    shown = load_yaml_dict(str(PACKAGE / f"{kind}.yaml"))
    shown = schema(shown)
    texts = load(PACKAGE / "translations" / "en.json")[kind]
    assert set(shown) == set(described) == set(texts) == set(load(PACKAGE / "icons.json")[kind])
    for name, about in shown.items():
        fields = about.get("fields", {})
        assert set(fields) == set(texts[name].get("fields", {})), name
        for field in fields.values():
            assert selector.validate_selector(field["selector"]), name


# -- HACS ----------------------------------------------------------------------------------

HACS: Final = vol.Schema(
    {
        vol.Required("name"): str,
        vol.Required("homeassistant"): vol.Match(r"^20\d\d\.\d+\.\d+$"),
        vol.Optional("content_in_root"): False,
        vol.Optional("country"): vol.Any(str, [str]),
        vol.Optional("hacs"): str,
        vol.Optional("hide_default_branch"): bool,
        vol.Optional("persistent_directory"): str,
        vol.Optional("render_readme"): bool,
        vol.Inclusive("zip_release", "archive"): bool,
        vol.Inclusive("filename", "archive"): str,
    }
)


def test_hacs_reads_what_the_repository_says_of_itself() -> None:
    HACS(load(ROOT / "hacs.json"))
    assert load(ROOT / "hacs.json")["name"] == load(PACKAGE / "manifest.json")["name"]


def test_the_rules_run_on_github_in_full() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "validate.yml").read_text())["jobs"]
    used = {
        step.get("uses", "").partition("@")[0] for job in jobs.values() for step in job["steps"]
    }
    assert {"home-assistant/actions/hassfest", "hacs/action"} <= used
