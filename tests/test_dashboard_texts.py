"""The dashboard's modules say everything by a key, and every key has a text."""

import json
from pathlib import Path
import re
from typing import Final

import pytest

from custom_components.computeload.core.plan import PlanReason
from custom_components.computeload.core.post_mortem import Battery

PACKAGE: Final = Path(__file__).parent.parent / "custom_components" / "computeload"
MODULES: Final = sorted((PACKAGE / "frontend").glob("*.js"))
TEXTS: Final[dict[str, dict[str, str]]] = json.loads(
    (PACKAGE / "translations" / "en.json").read_text()
)["config_panel"]
KEYS: Final = {f"{group}.{key}" for group, texts in TEXTS.items() for key in texts}
FILLED: Final = {"about", "battery_cause", "guide", "plan_reason", "tile", "view"}
"""Groups of which the modules make keys up: `group.${name}`."""


def literal_keys() -> set[str]:
    """Return every literal in the modules that looks like a key of ours."""
    groups = "|".join(TEXTS)
    key = re.compile(rf'"((?:{groups})\.[a-z0-9_]+)"')
    return {found for file in MODULES for found in key.findall(file.read_text())}


def test_every_key_that_the_modules_say_has_a_text() -> None:
    spoken = {
        key for file in MODULES for key in re.findall(r'\bsay\(\s*"([^"]+)"', file.read_text())
    }
    assert spoken | literal_keys() <= KEYS


def test_keys_are_made_up_only_of_groups_that_are_known_for_it() -> None:
    made_up = {
        group for file in MODULES for group in re.findall(r"`(\w+)\.\$\{", file.read_text())
    } & TEXTS.keys()
    assert made_up <= FILLED


def test_every_reason_of_a_plan_and_of_a_peak_has_words() -> None:
    assert set(TEXTS["plan_reason"]) == set(PlanReason)
    assert set(TEXTS["battery_cause"]) == set(Battery)


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.name)
def test_a_module_holds_no_english(file: Path) -> None:
    code = re.sub(r"//[^\n]*|/\*.*?\*/", "", file.read_text(), flags=re.DOTALL)
    # What stands between quotes or in templates, without what only looks like words: CSS.
    code = re.sub(r"(?:static css|const COMMON) = `.*?`", "", code, flags=re.DOTALL)
    strings = re.findall(r'"([^"\n]*)"|`([^`]*)`', code)
    sentences = [
        text
        for pair in strings
        for text in pair
        if re.search(r"[A-Z]?[a-z]{2,} [a-z]{2,} [a-z]{2,}", re.sub(r"\$\{[^}]*\}", "", text))
    ]
    assert sentences == []
