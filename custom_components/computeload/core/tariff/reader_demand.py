"""Demand charges of a tariff document."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from .calendar import TimeClass
from .document import Node
from .reader_classes import ONE_CLASS, by_class, read_classes
from .spec import (
    Basis,
    ChargeOn,
    Combine,
    DemandCharge,
    DemandQuantity,
    Distinct,
    Op,
    Per,
    Period,
    Pick,
    Price,
    PriceKind,
    PriceSelect,
    Sheet,
    Span,
)

WINDOWS_MIN: Final = (10, 15, 30, 60)
_KEYS: Final = (
    *("name", "quantity", "classes", "basis", "contract_kw", "pick", "start_month", "combine"),
    *("floor_kw", "floor_fraction_of_contract", "price", "price_select", "rate_eur_per_kw"),
    "power_factor",
)
_PRICES: Final = ("price", "price_select", "rate_eur_per_kw")
_PRICE_KEYS: Final = ("kind", "factor", "class_factor", "charge_on", "at_threshold")
_COUNTED: Final = (Op.MEAN_TOP, Op.NTH_TOP, Op.SUM_TOP)
_GROUPED: Final = (*_COUNTED, Op.SUM, Op.RSS)
_MOST_KW: Final = 1e6
_MOST: Final = 1e7
_MOST_RATES: Final = 200


@dataclass(frozen=True, slots=True)
class _Units:
    """What the units of a charge's prices may be."""

    currency: str
    quantity: DemandQuantity
    op: Op

    @property
    def power(self) -> str:
        return "kVA" if self.quantity is DemandQuantity.IMPORT_KVA else "kW"

    def spans(self, kind: PriceKind) -> dict[str, Span]:
        """Return each unit that is possible, with the span of time that it is for."""
        if self.op is Op.HOURS:
            return {f"{self.currency}/h": Span.PERIOD}
        base = self.currency if kind is PriceKind.STEP else f"{self.currency}/{self.power}"
        return {
            f"{base}/year": Span.YEAR,
            f"{base}/month": Span.MONTH,
            f"{base}/day": Span.DAY,
            base: Span.PERIOD,
        }


def read_charge(node: Node, currency: str, net: float) -> DemandCharge:
    """Return one demand charge; its rates times ``net`` are without VAT. Raises TariffError."""
    entries = node.mapping(required=("window_min", "period"), optional=_KEYS)
    classes = read_classes(entries["classes"]) if "classes" in entries else ONE_CLASS
    period = entries["period"].choice(Period)
    quantity = DemandQuantity.IMPORT_KW
    if "quantity" in entries:
        quantity = entries["quantity"].choice(DemandQuantity)
    contract: Mapping[str, float] = {}
    if "contract_kw" in entries:
        contract = by_class(entries["contract_kw"], classes, 0.0, _MOST_KW)
    pick = _pick(entries.get("pick"))
    units = _Units(currency, quantity, pick.op)
    charge = DemandCharge(
        name=entries["name"].text() if "name" in entries else f"demand {period.value}",
        quantity=quantity,
        window_s=_window_s(entries["window_min"]),
        classes=classes,
        basis=entries["basis"].choice(Basis) if "basis" in entries else Basis.VALUE,
        contract_kw=contract,
        pick=pick,
        period=period,
        start_month=_start_month(entries, period),
        combine=entries["combine"].choice(Combine) if "combine" in entries else Combine.NONE,
        floor_kw=_number(entries, "floor_kw", 0.0, _MOST_KW),
        floor_fraction_of_contract=_number(entries, "floor_fraction_of_contract", 0.0, 1.0),
        price=_any_price(node, entries, units, classes, net),
        power_factor=_number(entries, "power_factor", 0.1, 1.0, default=1.0),
    )
    _check(entries, charge)
    return charge


def _number(
    entries: dict[str, Node], key: str, low: float, high: float, *, default: float = 0.0
) -> float:
    return entries[key].number(low, high) if key in entries else default


def _window_s(node: Node) -> int:
    minutes = node.number()
    if minutes not in WINDOWS_MIN:
        known = ", ".join(str(known) for known in WINDOWS_MIN)
        raise node.error(f"{minutes:g} is not known; use one of {known}")
    return int(minutes) * 60


def _start_month(entries: dict[str, Node], period: Period) -> int:
    if "start_month" not in entries:
        return 1
    if period is not Period.CONTRACT_YEAR:
        raise entries["start_month"].error("only a period of contract_year has a start month")
    return entries["start_month"].integer(1, 12)


def _pick(node: Node | None) -> Pick:
    if node is None:
        return Pick()
    entries = node.mapping(required=("op",), optional=("n", "distinct", "per"))
    op = entries["op"].choice(Op)
    if op in _COUNTED and "n" not in entries:
        raise node.error(f"'n' is missing: of how many windows is {op.value}?")
    if op not in _COUNTED and "n" in entries:
        raise entries["n"].error(f"{op.value} counts no windows; leave n out")
    if op not in _GROUPED and "distinct" in entries:
        raise entries["distinct"].error(f"makes no difference to {op.value}; leave it out")
    return Pick(
        op=op,
        n=entries["n"].integer(1, 1000) if "n" in entries else 1,
        distinct=entries["distinct"].choice(Distinct) if "distinct" in entries else Distinct.NONE,
        per=entries["per"].choice(Per) if "per" in entries else Per.ALL,
    )


def _any_price(
    node: Node,
    entries: dict[str, Node],
    units: _Units,
    classes: tuple[TimeClass, ...],
    net: float,
) -> Price | PriceSelect:
    given = [key for key in _PRICES if key in entries]
    if len(given) != 1:
        raise node.error(f"exactly one of {', '.join(_PRICES)} belongs here")
    if given[0] == "rate_eur_per_kw":
        rate = entries["rate_eur_per_kw"].number(0.0, _MOST) * net
        return Price(kind=PriceKind.LINEAR, span=Span.PERIOD, rates=((0.0, rate),))
    if given[0] == "price":
        return _price(entries["price"], units, classes, net)
    select = entries["price_select"].mapping(
        required=("metric", "threshold", "below", "above"), optional=()
    )
    metric = select["metric"]
    if metric.content != "full_load_hours":
        raise metric.error("is not known; use full_load_hours")
    below, above = (_sheet(select[key], units, classes, net) for key in ("below", "above"))
    return PriceSelect(
        threshold_h=select["threshold"].number(0.0, 8784.0), below=below, above=above
    )


def _sheet(node: Node, units: _Units, classes: tuple[TimeClass, ...], net: float) -> Sheet:
    entries = node.mapping(required=("price",), optional=("per_kwh",))
    per_kwh = entries["per_kwh"].number(0.0, 1000.0) if "per_kwh" in entries else 0.0
    return Sheet(price=_price(entries["price"], units, classes, net), per_kwh=per_kwh * net)


def _price(node: Node, units: _Units, classes: tuple[TimeClass, ...], net: float) -> Price:
    entries = node.mapping(required=("unit", "rates"), optional=_PRICE_KEYS)
    kind = entries["kind"].choice(PriceKind) if "kind" in entries else PriceKind.LINEAR
    spans = units.spans(kind)
    unit = entries["unit"].text()
    if unit not in spans:
        known = ", ".join(spans)
        raise entries["unit"].error(f"'{unit[:40]}' is not known here; use one of {known}")
    factors: Mapping[str, float] = {}
    if "class_factor" in entries:
        factors = by_class(entries["class_factor"], classes, 0.0, _MOST_KW)
    upper = True
    if "at_threshold" in entries:
        word = entries["at_threshold"]
        if kind is not PriceKind.STEP or word.content not in ("upper", "lower"):
            raise word.error("only a step price has it; use upper or lower")
        upper = word.content == "upper"
    return Price(
        kind=kind,
        span=spans[unit],
        rates=_rates(entries["rates"], kind, net),
        factor=_number(entries, "factor", 0.0, 1000.0, default=1.0),
        class_factor=factors,
        charge_on=(
            entries["charge_on"].choice(ChargeOn) if "charge_on" in entries else ChargeOn.MEASURED
        ),
        at_threshold_upper=upper,
    )


def _rates(node: Node, kind: PriceKind, net: float) -> tuple[tuple[float, float], ...]:
    """Return rising thresholds with their rates; one number is one rate from 0 on."""
    if not isinstance(node.content, list):
        return ((0.0, node.number(0.0, _MOST) * net),)
    rates: list[tuple[float, float]] = []
    for item in node.items(least=1)[:_MOST_RATES]:
        pair = item.items(least=2)
        if len(pair) != len(("threshold", "rate")):
            raise item.error("a pair of threshold and rate belongs here")
        rates.append((pair[0].number(0.0, _MOST_KW), pair[1].number(0.0, _MOST) * net))
    if rates[0][0] != 0.0:
        raise node.error("the first threshold must be 0")
    if any(upper[0] <= lower[0] for lower, upper in pairwise(rates)):
        raise node.error("the thresholds must rise")
    if kind is PriceKind.LINEAR and len(rates) > 1:
        raise node.error("a linear price has one rate; use kind: block or kind: step")
    if kind is PriceKind.STEP and any(upper[1] < lower[1] for lower, upper in pairwise(rates)):
        raise node.error("the amounts of a step price must not fall")
    return tuple(rates)


def _check(entries: dict[str, Node], charge: DemandCharge) -> None:
    """Refuse combinations that would mean nothing."""
    if isinstance(charge.price, PriceSelect):
        sheets = [charge.price.below.price, charge.price.above.price]
        if charge.period.months == 1 or charge.pick.op is not Op.MAX:
            raise entries["price_select"].error("needs a period of a year, and pick.op max")
        if any(sheet.charge_on is not ChargeOn.MEASURED for sheet in sheets):
            raise entries["price_select"].error("its sheets charge on the measured power only")
    else:
        sheets = [charge.price]
    _check_contract(entries, charge, sheets)
    if charge.pick.per is Per.ALL and any(sheet.class_factor for sheet in sheets):
        raise entries["pick" if "pick" in entries else "price"].error(
            "class_factor needs pick: {op: ..., per: class}"
        )
    if charge.pick.op is Op.HOURS and (
        charge.basis is not Basis.EXCESS or any(s.kind is PriceKind.STEP for s in sheets)
    ):
        raise entries["pick"].error("hours needs basis: excess, and no step price")
    if charge.pick.op is Op.HOURS and charge.floor_kw > 0.0:
        raise entries["floor_kw"].error("hours have no floor in kW; leave it out")
    if charge.combine is not Combine.NONE and charge.period is not Period.MONTH:
        raise entries["combine"].error("only a period of month can be combined over twelve")


def _check_contract(entries: dict[str, Node], charge: DemandCharge, sheets: list[Price]) -> None:
    on_contract = any(sheet.charge_on is not ChargeOn.MEASURED for sheet in sheets)
    fraction = charge.floor_fraction_of_contract > 0.0
    wanted = {
        "basis": charge.basis is Basis.EXCESS,
        "price": on_contract,
        "floor_fraction_of_contract": fraction,
    }
    for key, needed in wanted.items():
        if needed and "contract_kw" not in entries:
            raise entries[key].error("needs contract_kw beside it")
    several = len(set(charge.contract_kw.values())) > 1
    if several and charge.pick.per is Per.ALL and (on_contract or fraction):
        raise entries["contract_kw"].error("one contract per class needs pick.per: class")
