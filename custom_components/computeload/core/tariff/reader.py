"""From a tariff document to a Tariff, or to a list of mistakes with path and remedy.

``docs/tariffs.md`` describes the document for people. This module reads its head and its
energy prices; ``reader_demand`` reads demand charges, ``reader_classes`` time classes.
"""

from contextlib import suppress
from datetime import date
import re
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .calendar import Calendar, TimeClass
from .document import Node, Problems, TariffError, parse, shown
from .holidays import COUNTRIES
from .presets import preset_document
from .reader_classes import ONE_CLASS, by_class, read_classes, with_shared_classes
from .reader_demand import read_charge
from .spec import Adder, DemandCharge, EnergyPrice, Tariff

_HEAD: Final = (
    *("id", "country", "dso", "level", "currency", "timezone", "holidays"),
    *("vat_percent", "vat_included", "valid_from", "valid_to", "source", "note"),
)
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_SHORT_ENERGY: Final = ("import_adder_eur_per_kwh", "export_adder_eur_per_kwh")
_HIGHEST_PER_KWH: Final = 1000.0


def read_tariff(document: object) -> Tariff:
    """Return the tariff that a document (plain data, see ``docs/tariffs.md``) describes.

    Raises TariffError, whose ``problems`` name path and remedy of every mistake.
    """
    problems = Problems()
    content = with_shared_classes(document)
    top = Node(content).mapping(optional=("tariff", "classes", "energy", "demand"))
    head = top.get("tariff", Node({}, "tariff")).mapping(optional=_HEAD)
    defaults = _preset_heads(top)
    values = _texts(head, defaults, problems)
    currency = values["currency"]
    percent = head.get("vat_percent") or defaults.get("vat_percent") or Node(0.0)
    vat_percent = problems.attempt(0.0, lambda: percent.number(0.0, 100.0))
    net = problems.attempt(1.0, lambda: _net(head, vat_percent))
    calendar = problems.attempt(None, lambda: _calendar(head, values))
    prices = top.get("energy", Node({}, "energy"))
    energy = problems.attempt((EnergyPrice(), EnergyPrice()), lambda: _energy(prices, net))
    demand = top.get("demand", Node([], "demand"))
    charges: list[DemandCharge] = []
    nothing: list[Node] = []
    for node in problems.attempt(nothing, demand.items):
        with problems.collected():
            charges.extend(_charges(node, currency, net))
    with problems.collected():
        _check_names(demand, charges)
    always: tuple[date | None, date | None] = (None, None)
    valid_from, valid_to = problems.attempt(always, lambda: _validity(head))
    problems.check()
    assert calendar is not None  # noqa: S101 - a missing one is among the problems
    return Tariff(
        id=values["id"],
        country=values["country"],
        dso=values["dso"],
        level=values["level"],
        currency=currency,
        calendar=calendar,
        vat_percent=vat_percent,
        valid_from=valid_from,
        valid_to=valid_to,
        source=values["source"],
        note=values["note"],
        energy_import=energy[0],
        energy_export=energy[1],
        demand=tuple(charges),
    )


def parse_tariff(text: str) -> Tariff:
    """Return the tariff of a YAML text; raises TariffError."""
    return read_tariff(parse(text))


def load_preset(name: str) -> Tariff:
    """Return a shipped tariff (see ``preset_names``). Reads a file: not for the event loop.

    Raises TariffError for a name that is not shipped.
    """
    return read_tariff(preset_document(Node(name, "preset")))


def _preset_heads(top: dict[str, Node]) -> dict[str, Node]:
    """Return what the presets that a document names say; the first that says it counts."""
    energy = top.get("energy")
    named = [] if energy is None else [energy]
    if "demand" in top and isinstance(top["demand"].content, list):
        named.extend(top["demand"].items())
    heads: dict[str, Node] = {}
    for node in named:
        if isinstance(node.content, dict) and "preset" in node.content:
            # A wrong name is reported where the preset is read.
            with suppress(TariffError):
                heads = _head_of(node.child("preset")) | heads
    return heads


def _head_of(preset: Node) -> dict[str, Node]:
    return Node(preset_document(preset)).entries().get("tariff", Node({})).entries()


def _texts(head: dict[str, Node], defaults: dict[str, Node], problems: Problems) -> dict[str, str]:
    """Return the words of the head; where it has none, those of a preset."""
    values = {"currency": "EUR", "timezone": "UTC"}
    for key in ("id", "country", "dso", "level", "currency", "timezone", "source", "note"):
        node = head.get(key) or defaults.get(key)
        values.setdefault(key, "")
        if node is None:
            continue
        with problems.collected():
            text = node.text()
            if key == "currency" and not _CURRENCY.fullmatch(text):
                raise node.error(f"{shown(text)} is not a currency code like EUR")
            if key == "country" and text not in COUNTRIES:
                known = ", ".join(COUNTRIES)
                raise node.error(f"{shown(text)} is not known; use one of {known}")
            values[key] = text
    return values


def _net(head: dict[str, Node], vat_percent: float) -> float:
    """Return what turns the figures of a document into net ones."""
    included = "vat_included" in head and head["vat_included"].flag()
    return 1.0 / (1.0 + vat_percent / 100.0) if included else 1.0


def _net_of_preset(head: dict[str, Node]) -> float:
    return _net(head, head["vat_percent"].number() if "vat_percent" in head else 0.0)


def _calendar(head: dict[str, Node], values: dict[str, str]) -> Calendar:
    name = values["timezone"]
    try:
        zone = ZoneInfo(name)
    except ZoneInfoNotFoundError, ValueError, OSError:
        node = head.get("timezone", Node(name, "tariff.timezone"))
        raise node.error(f"{shown(name)} is not a time zone like Europe/Berlin") from None
    days = head["holidays"].items() if "holidays" in head else []
    return Calendar(zone, values["country"], frozenset(node.day() for node in days))


def _validity(head: dict[str, Node]) -> tuple[date | None, date | None]:
    start, end = (head[key].day() if key in head else None for key in ("valid_from", "valid_to"))
    if start is not None and end is not None and end < start:
        raise head["valid_to"].error(f"{end} is before valid_from, {start}")
    return start, end


def _energy(node: Node, net: float) -> tuple[EnergyPrice, EnergyPrice]:
    """Read both directions; the short form is day-ahead price plus one adder each."""
    entries = node.entries()
    if "preset" in entries:
        node.mapping(optional=("preset",))
        document = Node(preset_document(entries["preset"])).entries()
        preset_net = _net_of_preset(_head_of(entries["preset"]))
        return _energy(document.get("energy", Node({}, node.path)), preset_net)
    if any(key in entries for key in _SHORT_ENERGY):
        short = node.mapping(optional=_SHORT_ENERGY)
        imported, exported = (_short_energy(short.get(key), key) for key in _SHORT_ENERGY)
        return imported, exported
    sides = node.mapping(optional=("import", "export"))
    return (
        _side(sides["import"], net) if "import" in sides else EnergyPrice(),
        _side(sides["export"], 1.0) if "export" in sides else EnergyPrice(),
    )


def _short_energy(node: Node | None, key: str) -> EnergyPrice:
    per_kwh = 0.0 if node is None else node.number(-_HIGHEST_PER_KWH, _HIGHEST_PER_KWH)
    name = key.removesuffix("_eur_per_kwh")
    adder = Adder(name=name, classes=ONE_CLASS, per_kwh={"all": per_kwh})
    return EnergyPrice(day_ahead_factor=1.0, adders=(adder,))


def _side(node: Node, net: float) -> EnergyPrice:
    entries = node.mapping(optional=("day_ahead", "adders", "taxes"))
    factor = 0.0
    if "day_ahead" in entries:
        day_ahead = entries["day_ahead"].mapping(required=("factor",), optional=())
        factor = day_ahead["factor"].number(0.0, 10.0)
    lists = [entries[key].items() if key in entries else [] for key in ("adders", "taxes")]
    adders, taxes = (tuple(_adder(item, net) for item in items) for items in lists)
    return EnergyPrice(day_ahead_factor=factor, adders=adders, taxes=taxes)


def _adder(node: Node, net: float) -> Adder:
    entries = node.mapping(required=("name", "per_kwh"), optional=("classes",))
    classes: tuple[TimeClass, ...] = ONE_CLASS
    if "classes" in entries:
        classes = read_classes(entries["classes"])
    per_kwh = by_class(entries["per_kwh"], classes, -_HIGHEST_PER_KWH, _HIGHEST_PER_KWH)
    return Adder(
        name=entries["name"].text(),
        classes=classes,
        per_kwh={name: value * net for name, value in per_kwh.items()},
    )


def _charges(node: Node, currency: str, net: float) -> list[DemandCharge]:
    """Read one entry of ``demand``: a charge, or the charges of a preset with changes."""
    if not isinstance(node.content, dict) or "preset" not in node.content:
        return [read_charge(node, currency, net)]
    entries = node.mapping(required=("preset",), optional=("contract_kw", "rates"))
    head = _head_of(entries["preset"])
    preset_currency = head["currency"].text() if "currency" in head else "EUR"
    if preset_currency != currency:
        raise entries["preset"].error(
            f"its rates are in {preset_currency}, the tariff is in {currency}; "
            f"write currency: {preset_currency} into the tariff's head, or your own charges"
        )
    document = Node(preset_document(entries["preset"])).entries()
    demand = document.get("demand", Node([])).items()
    changed = [_changed(item, entries) for item in demand]
    if "contract_kw" in entries and not any("contract_kw" in item for item in changed):
        raise entries["contract_kw"].error("this preset has no contracted power; leave it out")
    _check_changes(entries, changed)
    return [read_charge(Node(item, node.path), currency, _net_of_preset(head)) for item in changed]


def _changed(item: Node, entries: dict[str, Node]) -> dict[str, object]:
    """Return a preset's charge with the user's contract and rates in place of its own."""
    charge: dict[str, object] = {key: node.content for key, node in item.entries().items()}
    if "contract_kw" in entries and "contract_kw" in charge:
        charge["contract_kw"] = entries["contract_kw"].content
    rates = entries["rates"].entries() if "rates" in entries else {}
    price = charge.get("price")
    name = charge.get("name")
    if isinstance(name, str) and name in rates and isinstance(price, dict):
        charge["price"] = {**price, "rates": rates[name].content}
    return charge


def _check_changes(entries: dict[str, Node], charges: list[dict[str, object]]) -> None:
    names = [str(charge.get("name")) for charge in charges if "price" in charge]
    for name, node in (entries["rates"].entries() if "rates" in entries else {}).items():
        if name not in names:
            raise node.error(f"the preset has no such charge; it has {', '.join(names)}")


def _check_names(node: Node, charges: list[DemandCharge]) -> None:
    seen: set[str] = set()
    for charge in charges:
        if charge.name in seen:
            raise node.error(f"two charges are named '{charge.name}'; give each its own name")
        seen.add(charge.name)
