"""The repository's own rules: what Home Assistant, HACS and this project ask of the files.

hassfest and the HACS validation run only on GitHub; what they would say is tested here as
far as it can be.
"""

import ast
from collections.abc import Iterator
from importlib.metadata import requires
import json
from pathlib import Path
import re
import string
import struct
import subprocess
from typing import Any, Final

from awesomeversion import AwesomeVersion
import homeassistant
from homeassistant.const import BASE_PLATFORMS
from packaging.requirements import Requirement
import pytest
import yaml

ROOT = Path(__file__).parent.parent
NAME_LENGTH: Final = 25
"""What is longer than this is not a name, and reads differently in another language."""
PACKAGE = ROOT / "custom_components" / "computeload"
CORE = Path(homeassistant.__file__).parent
DATA = (".json", ".yaml", ".txt", ".png", ".svg", ".ambr")

ALWAYS_THERE = {
    "automation",
    "frontend",
    "homeassistant",
    "persistent_notification",
    "script",
    "sun",
    "system_health",
    "websocket_api",
    "zone",
}
"""Core integrations that an import need not declare."""
MANIFEST_KEYS = {
    "after_dependencies",
    "codeowners",
    "config_flow",
    "dependencies",
    "dhcp",
    "documentation",
    "domain",
    "import_executor",
    "integration_type",
    "iot_class",
    "issue_tracker",
    "loggers",
    "name",
    "quality_scale",
    "requirements",
    "single_config_entry",
    "ssdp",
    "version",
    "zeroconf",
}
HACS_KEYS = {
    "content_in_root",
    "country",
    "filename",
    "hacs",
    "hide_default_branch",
    "homeassistant",
    "name",
    "persistent_directory",
    "render_readme",
    "zip_release",
}
BRAND_SIZES = {
    "icon.png": (256, 256),
    "icon@2x.png": (512, 512),
    "logo.png": (512, 128),
    "logo@2x.png": (1024, 256),
    "dark_logo.png": (512, 128),
    "dark_logo@2x.png": (1024, 256),
}
RULES_OF_THE_QUALITY_SCALE = 54


def load(file: Path) -> dict[str, Any]:
    """Return a JSON file's object."""
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def tracked() -> list[Path]:
    """Return the files that the repository holds, or would hold after `git add`."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607 - git is where the user has it
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    return [path for name in listed if name and (path := ROOT / name).is_file()]


def strings(tree: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every text in a tree of translations, with its path."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from strings(value, (*path, key))
    else:
        yield path, str(tree)


def placeholders(text: str) -> set[str]:
    """Return the names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def imports(file: Path) -> Iterator[str]:
    """Yield every module that a file imports, as an absolute name; relative ones resolved."""
    package = file.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.fixture(name="manifest", scope="module")
def manifest_fixture() -> dict[str, Any]:
    """Return the integration's manifest."""
    return load(PACKAGE / "manifest.json")


@pytest.fixture(name="english", scope="module")
def english_fixture() -> dict[str, Any]:
    """Return the English texts."""
    return load(PACKAGE / "translations" / "en.json")


# What Home Assistant reads before it loads a line of code.


def test_the_keys_are_known_and_in_order(manifest: dict[str, Any]) -> None:
    rest = sorted(set(manifest) - {"domain", "name"})
    assert list(manifest) == ["domain", "name", *rest]
    assert set(manifest) <= MANIFEST_KEYS


def test_what_a_custom_integration_must_state_is_there(manifest: dict[str, Any]) -> None:
    assert manifest["domain"] == PACKAGE.name
    assert manifest["config_flow"] is True
    assert manifest["documentation"].startswith("https://")
    assert manifest["issue_tracker"].startswith("https://")
    assert all(owner.startswith("@") for owner in manifest["codeowners"])
    assert manifest["iot_class"] == "local_polling"
    assert manifest["integration_type"] == "hub"
    assert AwesomeVersion(manifest["version"]).valid


def test_its_version_is_the_projects(manifest: dict[str, Any]) -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{manifest["version"]}"' in project


def test_requirements_fit_what_home_assistant_pins(manifest: dict[str, Any]) -> None:
    constraints = (CORE / "package_constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in constraints if line.strip() and line[0] != "#"]
    pinned = {pin.name.lower(): pin for pin in pins}
    core = {Requirement(text).name.lower() for text in requires("homeassistant") or []}
    for text in manifest["requirements"]:
        wanted = Requirement(text)
        assert wanted.name.lower() not in core, f"{text}: Home Assistant brings it"
        if (pin := pinned.get(wanted.name.lower())) is not None:
            versions = [s.version for s in pin.specifier if s.operator == "=="]
            assert all(v in wanted.specifier for v in versions), f"{text}: {pin} is pinned"


def test_every_core_integration_in_use_is_declared(manifest: dict[str, Any]) -> None:
    declared = {*manifest["dependencies"], *manifest.get("after_dependencies", [])}
    assert all((CORE / "components" / name).is_dir() for name in declared)
    own = {file.stem for file in PACKAGE.glob("*.py")}
    allowed = declared | ALWAYS_THERE | BASE_PLATFORMS | own
    used = {
        (name.split(".")[2], file.name)
        for file in PACKAGE.rglob("*.py")
        for name in imports(file)
        if name.startswith("homeassistant.components.") and name.count(".") >= 2
    }
    assert {(name, file) for name, file in used if name not in allowed} == set()


# What hassfest asks of texts, and what this project adds.


def test_no_text_has_links_markup_or_outer_spaces(english: dict[str, Any]) -> None:
    wrong = re.compile(r"://|www\.|<[a-z/]|'\{\w+\}'|^\s|\s$")
    assert [path for path, text in strings(english) if wrong.search(text)] == []


def test_placeholders_are_plain_names(english: dict[str, Any]) -> None:
    bad = [p for p, t in strings(english) if not all(n.isidentifier() for n in placeholders(t))]
    assert bad == []


def test_entity_states_and_names_of_keys_are_plain(english: dict[str, Any]) -> None:
    keys = {key for path, _ in strings(english) for key in path}
    assert [key for key in keys if not re.fullmatch(r"[a-z0-9_-]+", key)] == []
    states = [(p, t) for p, t in strings(english["entity"]) if "state" in p]
    assert [path for path, text in states if placeholders(text)] == []


def test_subentries_say_how_they_are_called_and_added(english: dict[str, Any]) -> None:
    kinds = english["config_subentries"]
    assert set(kinds) == {"meter", "battery", "pv", "load", "cluster"}
    assert all({"entry_type", "initiate_flow"} <= set(kind) for kind in kinds.values())
    assert all("user" in kind["initiate_flow"] for kind in kinds.values())


def test_every_field_is_described_and_no_description_is_left_over(
    english: dict[str, Any],
) -> None:
    flows = [english["config"], english["options"], *english["config_subentries"].values()]
    for flow in flows:
        for name, step in flow["step"].items():
            assert set(step.get("data_description", {})) == set(step.get("data", {})), name


def test_other_languages_have_the_same_keys_and_placeholders(
    english: dict[str, Any],
) -> None:
    expected = {path: placeholders(text) for path, text in strings(english)}
    for file in (PACKAGE / "translations").glob("*.json"):
        found = {path: placeholders(text) for path, text in strings(load(file))}
        assert found == expected, file.name


def test_eight_languages_are_spoken_and_none_of_them_is_english(
    english: dict[str, Any],
) -> None:
    files = {file.stem: file for file in (PACKAGE / "translations").glob("*.json")}
    assert set(files) == {"de", "en", "es", "fr", "it", "nl", "pl", "zh-Hans"}
    sentences = {path: text for path, text in strings(english) if len(text) > NAME_LENGTH}
    for language, file in files.items():
        same = [p for p, text in strings(load(file)) if sentences.get(p) == text]
        assert language == "en" or len(same) < 0.02 * len(sentences), (language, same)


def test_every_entity_has_an_icon_and_every_icon_an_entity(
    english: dict[str, Any],
) -> None:
    icons = load(PACKAGE / "icons.json")["entity"]
    named = {(p, key) for p, keys in english["entity"].items() for key in keys}
    drawn = {(p, key) for p, keys in icons.items() for key in keys}
    assert named == drawn
    used = [text for _, text in strings(icons)]
    assert [icon for icon in used if not re.fullmatch(r"mdi:[a-z0-9-]+", icon)] == []


def test_every_action_has_texts_and_an_icon(english: dict[str, Any]) -> None:
    file = PACKAGE / "services.yaml"
    actions = yaml.safe_load(file.read_text()) if file.exists() else {}
    assert set(english.get("services", {})) == set(actions)
    icons = load(PACKAGE / "icons.json").get("services", {})
    assert set(icons) == set(actions)
    for name, action in actions.items():
        fields = english["services"][name].get("fields", {})
        assert set(fields) == set((action or {}).get("fields", {})), name


# What HACS and the quality scale look at.


def test_hacs_json_has_only_known_keys() -> None:
    hacs = load(ROOT / "hacs.json")
    assert set(hacs) <= HACS_KEYS
    assert hacs["name"] == "Computeload"
    assert AwesomeVersion(hacs["homeassistant"]) >= AwesomeVersion("2026.10.0")


def test_there_is_one_integration_a_licence_and_a_readme() -> None:
    assert [m.parent.name for m in ROOT.glob("custom_components/*/manifest.json")] == [
        "computeload"
    ]
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert (ROOT / "README.md").exists()


def test_brand_images_have_the_sizes_that_home_assistant_shows() -> None:
    found = {}
    for file in (PACKAGE / "brand").iterdir():
        head = file.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        found[file.name] = struct.unpack(">II", head[16:])
    assert found == BRAND_SIZES


def test_the_quality_scale_answers_every_rule() -> None:
    # A core integration of the highest tier has to answer all of them.
    core = CORE / "components" / "peblar" / "quality_scale.yaml"
    asked = set(yaml.safe_load(core.read_text())["rules"])
    assert len(asked) == RULES_OF_THE_QUALITY_SCALE
    answers = yaml.safe_load((PACKAGE / "quality_scale.yaml").read_text())["rules"]
    assert set(answers) == asked
    for rule, answer in answers.items():
        if isinstance(answer, dict):
            assert answer["status"] == "exempt", rule
            assert answer["comment"], rule
        else:
            assert answer in {"done", "todo"}, rule


# Who may import whom; the layers stay what they are.


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [
        ("core", ("homeassistant", "drivers", "signals", "simulator")),
        ("drivers", ("homeassistant", "signals", "simulator")),
        ("simulator", ("homeassistant", "drivers", "signals")),
    ],
)
def test_a_layer_imports_only_what_it_may(part: str, forbidden: tuple[str, ...]) -> None:
    inside = "custom_components.computeload"
    closed = tuple(name if name == "homeassistant" else f"{inside}.{name}" for name in forbidden)
    wrong = {
        (file.name, name)
        for file in (PACKAGE / part).rglob("*.py")
        for name in imports(file)
        if name.startswith(closed)
        or (name.startswith(f"{inside}.") and not _inside(name, {part, "core"}))
    }
    assert wrong == set()


def _inside(name: str, parts: set[str]) -> bool:
    """Tell whether a module of the package lies in one of these folders."""
    return name.split(".")[2] in parts


# What no file of the repository may hold.


def test_no_file_names_a_machines_folder_or_a_package_index() -> None:
    wrong = re.compile(r"(?<!\w)[/](?:work|root|tmp)/|pypi[.]org|pythonhosted[.]org")
    found = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in tracked()
        if file.suffix != ".png" and (match := wrong.search(file.read_text()))
    ]
    assert found == []


def test_modules_stay_small_enough_to_be_read() -> None:
    long = [
        str(file.relative_to(ROOT))
        for file in tracked()
        if file.suffix not in DATA and file.read_bytes().count(b"\n") > 600
    ]
    assert long == []


def test_every_folder_of_the_package_says_what_lives_there() -> None:
    folders = {file.parent for file in PACKAGE.rglob("*.py")}
    assert [folder.name for folder in folders if not _says_what_it_is(folder)] == []


def _says_what_it_is(folder: Path) -> bool:
    """Tell whether a folder has a README or a docstring."""
    if (folder / "README.md").exists():
        return True
    init = folder / "__init__.py"
    return init.exists() and ast.get_docstring(ast.parse(init.read_text())) is not None
