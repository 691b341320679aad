"""From what a user fills into a form to a tariff: a preset with their own figures, or a document.

Without any choice a site pays the day-ahead price for what it draws, earns it for what it
feeds in, and pays nothing for peaks.
"""

from collections.abc import Mapping
from typing import Any, Final

from .document import TariffError, parse
from .reader import load_preset, read_tariff
from .spec import DemandCharge, Tariff

PRESET: Final = "preset"
DOCUMENT: Final = "document"
CONTRACT_KW: Final = "contract_kw"
RATE: Final = "rate"
IMPORT_ADDER: Final = "import_adder"
EXPORT_ADDER: Final = "export_adder"

_MARKET: Final = {"import_adder_eur_per_kwh": 0.0, "export_adder_eur_per_kwh": 0.0}


def choose_tariff(choice: Mapping[str, Any] | None, *, timezone: str, currency: str) -> Tariff:
    """Return the tariff of a choice: a preset with figures, a document, or the market alone.

    ``timezone`` and ``currency`` are the site's; a document's own head comes before them.
    Reads a preset's file: not for the event loop. Raises TariffError.
    """
    head = {"timezone": timezone, "currency": currency}
    if choice is None:
        return read_tariff({"tariff": head, "energy": _MARKET})
    if (text := choice.get(DOCUMENT)) is None:
        return read_tariff({"tariff": head, **_of_preset(choice)})
    return tariff_of(parse(text), timezone=timezone, currency=currency)


def tariff_of(document: object, *, timezone: str, currency: str) -> Tariff:
    """Return the tariff of a document, whose own head comes before the site's; see above."""
    head = {"timezone": timezone, "currency": currency}
    if not isinstance(document, dict):
        raise TariffError(["the document must begin with tariff:, energy: or demand:"])
    own = document.get("tariff") or {}
    if not isinstance(own, dict):
        return read_tariff(document)
    tariff = read_tariff({**document, "tariff": {**head, **own}})
    if tariff.currency != currency:
        raise TariffError(
            [f"tariff.currency: {tariff.currency} is not the currency of this site, {currency}"]
        )
    return tariff


def _of_preset(choice: Mapping[str, Any]) -> dict[str, Any]:
    name = choice[PRESET]
    energy: dict[str, Any] = {"preset": name}
    if IMPORT_ADDER in choice or EXPORT_ADDER in choice:
        energy = {
            "import_adder_eur_per_kwh": choice.get(IMPORT_ADDER, 0.0),
            "export_adder_eur_per_kwh": choice.get(EXPORT_ADDER, 0.0),
        }
    demand: dict[str, Any] = {"preset": name}
    if CONTRACT_KW in choice:
        demand[CONTRACT_KW] = choice[CONTRACT_KW]
    if RATE in choice:
        demand["rates"] = {_measured(name).name: choice[RATE]}
    return {"energy": energy, "demand": [demand]}


def _measured(name: str) -> DemandCharge:
    """Return the charge of a preset that a rate is meant for: the one for what is measured."""
    return next(each for each in load_preset(name).demand if not each.is_contract_only)
