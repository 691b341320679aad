"""The library of device profiles: what computeload knows how to talk to.

A profile is one YAML file, ``<folder>/<kind>/<id>.yaml``. The shipped folder is
``SHIPPED``; a user's own folder may follow it, and its profiles replace shipped ones of
the same id.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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


def load_library(folders: Iterable[Path] = (SHIPPED,)) -> Library:
    """Read all profiles of these folders; later folders win.

    Blocks: call it from an executor. Never raises for what the files hold.
    """
    profiles: dict[str, Profile] = {}
    errors: list[ProfileError] = []
    for folder in folders:
        for path in sorted(folder.glob("*/*.yaml")):
            shown = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                errors.append(ProfileError(shown, 1, "", f"not readable: {error}"))
                continue
            profile, problems = read_profile(text, shown, path.stem)
            errors += problems
            if profile is not None:
                profiles[profile.id] = profile
    return Library(profiles=MappingProxyType(profiles), errors=tuple(errors))


__all__ = ["SHIPPED", "Library", "Profile", "ProfileError", "load_library"]
