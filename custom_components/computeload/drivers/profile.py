"""The library of device profiles: what computeload knows how to talk to.

A profile is one YAML file; its name is the profile's id. The shipped folder is ``SHIPPED``; a
user's own folder may follow it, and its profiles replace shipped ones of the same id.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from .document import ProfileError
from .schema import read_profile
from .spec import Profile

SHIPPED: Final = Path(__file__).with_name("profiles")
"""The profiles that come with the integration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """All profiles that could be read, and all that is wrong with the others."""

    profiles: Mapping[str, Profile]
    errors: tuple[ProfileError, ...]
    own: frozenset[str] = frozenset()
    """The ids of the profiles that are the user's own."""


def load_library(folders: Iterable[Path] = (SHIPPED,)) -> Library:
    """Read all profiles of these folders; later folders win.

    Blocks: call it from an executor. Never raises for what the files hold. The shipped
    folder is read once.
    """
    profiles: dict[str, Profile] = {}
    errors: list[ProfileError] = []
    own: set[str] = set()
    for folder in folders:
        found, mistakes = _shipped() if folder == SHIPPED else _read(folder)
        profiles |= found
        errors += mistakes
        own |= set() if folder == SHIPPED else found.keys()
    return Library(profiles=MappingProxyType(profiles), errors=tuple(errors), own=frozenset(own))


def _read(folder: Path) -> tuple[dict[str, Profile], list[ProfileError]]:
    """Read the profiles of a folder."""
    profiles: dict[str, Profile] = {}
    errors: list[ProfileError] = []
    places: dict[str, str] = {}
    for path in profile_files(folder):
        shown = f"{folder.name}/{path.relative_to(folder).as_posix()}"
        if path.stem in places:
            text = f"{places[path.stem]} has the same name, which is its id; rename one of them"
            errors.append(ProfileError(shown, 1, "", text))
            continue
        places[path.stem] = shown
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            errors.append(ProfileError(shown, 1, "", f"not readable: {error}"))
            continue
        profile, problems = read_profile(text, shown, path.stem)
        errors += problems
        if profile is not None:
            profiles[profile.id] = profile
    return profiles, errors


@cache
def _shipped() -> tuple[dict[str, Profile], list[ProfileError]]:
    """Read the shipped profiles, once."""
    return _read(SHIPPED)


def profile_files(folder: Path) -> list[Path]:
    """Return the files of a folder and those below it, in order. Blocks."""
    files = folder.rglob("*.yaml")
    return sorted(file for file in files if not file.name.startswith(".") and file.is_file())


__all__ = ["SHIPPED", "Library", "Profile", "ProfileError", "load_library", "profile_files"]
