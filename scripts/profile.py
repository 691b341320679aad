"""Checks device profiles from the command line; ``scripts/profile`` is the front."""

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys

from custom_components.computeload.drivers.profile import SHIPPED, load_library
from custom_components.computeload.drivers.schema import read_profile
from custom_components.computeload.drivers.spec import Profile


def validate(files: Sequence[Path]) -> int:
    """Print what each profile says, or what is wrong with it; 0 if all are right."""
    shipped = load_library([SHIPPED]).profiles
    wrong = 0
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as problem:
            print(f"{file}: not readable: {problem}", file=sys.stderr)
            wrong += 1
            continue
        profile, errors = read_profile(text, str(file), file.stem)
        for error in errors:
            print(error, file=sys.stderr)
        wrong += bool(errors)
        if profile is not None:
            print(f"{file}: {_summary(profile)}")
            if profile.id in shipped and not file.resolve().is_relative_to(SHIPPED):
                print(f"  It replaces the shipped profile '{shipped[profile.id].title}'.")
    return 1 if wrong else 0


def _summary(profile: Profile) -> str:
    """Return in one line what a profile says."""
    values = len(profile.quantities)
    channels = f", up to {profile.channels.most} channels" if profile.channels else ""
    control = "with control" if profile.control else "only read"
    return f"{profile.kind} '{profile.title}', {values} values{channels}, {control}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="scripts/profile", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser(
        "validate", help="say what is wrong with profiles, or what they say"
    )
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    return validate(parser.parse_args(arguments).files)


if __name__ == "__main__":
    sys.exit(main())
