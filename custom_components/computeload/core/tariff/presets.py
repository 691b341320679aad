"""The shipped tariffs: one YAML file each in ``core/tariffs``. The only file access here."""

from functools import cache
from importlib.resources import files
from typing import Final

from .document import Node, parse, shown
from .reader_classes import with_shared_classes

_FOLDER: Final = files(__package__).joinpath("..", "tariffs")


@cache
def preset_names() -> tuple[str, ...]:
    """Return the names of all shipped tariffs. Reads a folder: not for the event loop."""
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def preset_document(node: Node) -> object:
    """Return the document of the preset that a node names; it must not be changed.

    Raises TariffError, with the node's path, for a name that is not shipped.
    """
    name = node.content
    if not isinstance(name, str) or name not in preset_names():
        raise node.error(f"{shown(name)} is not a preset; use one of {', '.join(preset_names())}")
    return _document(name)


@cache
def _document(name: str) -> object:
    return with_shared_classes(parse(_FOLDER.joinpath(f"{name}.yaml").read_text("utf-8")))
