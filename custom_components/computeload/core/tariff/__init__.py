"""Tariffs: what electricity costs, for energy and for power, and what one more kW costs.

``read_tariff`` turns a document into a ``Tariff`` or into plain sentences; ``bill`` says
what metered windows cost; ``DemandBook`` remembers the windows that still matter, from
which ``demand_terms`` serves the planner and ``charge_states`` the controller. Pure, but
for the shipped presets, which are files. The documents are described in
``docs/tariffs.md``.
"""

from .bill import Bill, BillItem, ItemKind, bill
from .book import DemandBook, PeriodCost
from .calendar import Calendar, HolidayRule, TimeClass
from .choice import choose_tariff, tariff_of
from .document import TariffError
from .holidays import COUNTRIES, national_holidays
from .metered import Metered
from .presets import preset_names
from .price import export_price, import_price, prices_at
from .reader import load_preset, parse_tariff, read_tariff
from .spec import DemandCharge, Price, Tariff
from .terms import ChargeState, DemandTerm, already_paid_w, charge_states, demand_terms

__all__ = [
    "COUNTRIES",
    "Bill",
    "BillItem",
    "Calendar",
    "ChargeState",
    "DemandBook",
    "DemandCharge",
    "DemandTerm",
    "HolidayRule",
    "ItemKind",
    "Metered",
    "PeriodCost",
    "Price",
    "Tariff",
    "TariffError",
    "TimeClass",
    "already_paid_w",
    "bill",
    "charge_states",
    "choose_tariff",
    "demand_terms",
    "export_price",
    "import_price",
    "load_preset",
    "national_holidays",
    "parse_tariff",
    "preset_names",
    "prices_at",
    "read_tariff",
    "tariff_of",
]
