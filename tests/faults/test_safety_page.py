"""The page that states what happens names the tests that hold it."""

from pathlib import Path
import re

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "safety.md"
PROFILES = HERE.parents[1] / "custom_components" / "computeload" / "drivers" / "profiles"


def test_every_test_and_profile_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", PAGE.read_text()))
    tests = {
        name
        for file in HERE.glob("test_*.py")
        for name in re.findall(r"def test_(\w+)", file.read_text())
    }
    profiles = {file.stem for file in PROFILES.rglob("*.yaml")}
    assert len(named & tests) > 30
    assert named - tests - profiles == set()
