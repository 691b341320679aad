"""Whatever a document says: an error in words, or a bill that makes sense."""

from collections.abc import Callable
from datetime import UTC, datetime
import math
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
import numpy as np
import yaml

from custom_components.computeload.core.tariff import (
    Bill,
    DemandBook,
    ItemKind,
    Metered,
    Tariff,
    TariffError,
    bill,
    charge_states,
    demand_terms,
    export_price,
    import_price,
    parse_tariff,
    preset_names,
    read_tariff,
)

NEW_YEAR = round(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
PACE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

words = st.sampled_from(
    ["max", "month", "year", "EUR/kW", "EUR/kW/month", "a", "0-4", "8-20", "class", "DE", ""]
)
numbers = st.one_of(
    st.integers(-5, 100), st.floats(), st.integers(), st.sampled_from([10, 15, 30, 60, 1e308])
)
scalars = st.one_of(st.none(), st.booleans(), numbers, words, st.text(max_size=8))
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(words, inner, max_size=4),
        st.dictionaries(scalars, inner, max_size=2),
    ),
    max_leaves=12,
)

VALID: dict[str, Any] = {
    "name": "peak",
    "quantity": "import_kw",
    "window_min": 15,
    "classes": [{"name": "a", "months": ["1-6"], "hours": ["8-20"], "weight": 0.5}, {"name": "b"}],
    "basis": "excess",
    "contract_kw": {"a": 5, "b": 7},
    "pick": {"op": "mean_top", "n": 3, "distinct": "day", "per": "class"},
    "period": "month",
    "combine": "mean12",
    "floor_kw": 1,
    "price": {
        "unit": "EUR/kW/year",
        "kind": "block",
        "rates": [[0, 3], [10, 5]],
        "class_factor": {"a": 1, "b": 2},
        "factor": 0.5,
    },
}
HEAD: dict[str, Any] = {
    "country": "DE",
    "timezone": "Europe/Berlin",
    "currency": "EUR",
    "vat_percent": 19,
}
ENERGY: dict[str, dict[str, Any]] = {
    "import": {"day_ahead": {"factor": 1}, "adders": [{"name": "x", "per_kwh": 0.1}]},
    "export": {"day_ahead": {"factor": 1}},
}


@st.composite
def nearly_valid(draw: st.DrawFn) -> dict[str, Any]:
    """Return a good document in which a few values have been put out of place."""
    document: dict[str, Any] = {
        "tariff": dict(HEAD),
        "energy": {side: dict(parts) for side, parts in ENERGY.items()},
        "demand": [dict(VALID, pick=dict(VALID["pick"]), price=dict(VALID["price"]))],
    }
    places = [
        document, document["tariff"], document["energy"]["import"],
        document["demand"][0], document["demand"][0]["pick"], document["demand"][0]["price"],
    ]  # fmt: skip
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from(places))
        key = draw(st.one_of(st.sampled_from(sorted(place)), words))
        place[key] = draw(st.one_of(anything, st.sampled_from(["preset", *preset_names()])))
    return document


OPS = ("max", "mean_top", "nth_top", "sum_top", "rss", "sum", "hours")


@st.composite
def tariffs(
    draw: st.DrawFn,
    ops: tuple[str, ...] = OPS,
    kinds: tuple[str, ...] = ("linear", "block", "step"),
    windows_min: tuple[int, ...] = (10, 15, 30, 60),
) -> dict[str, Any]:
    """Return a document that is right, of any kind."""
    op = draw(st.sampled_from(ops))
    basis = "excess" if op == "hours" else draw(st.sampled_from(["value", "excess"]))
    classed = draw(st.booleans())
    pick: dict[str, Any] = {"op": op, "per": "class" if classed else "all"}
    if op in ("mean_top", "nth_top", "sum_top"):
        pick["n"] = draw(st.integers(1, 5))
    if op not in ("max", "hours"):
        pick["distinct"] = draw(st.sampled_from(["none", "hour", "day", "week"]))
    kind = "linear" if op == "hours" else draw(st.sampled_from(kinds))
    amounts = sorted(draw(st.lists(st.floats(0, 100), min_size=3, max_size=3)))
    rates = [[0, amounts[0]], [4, amounts[1]], [9.5, amounts[2]]]
    span = draw(st.sampled_from(["/year", "/month", "/day", ""]))
    unit = "EUR/h" if op == "hours" else f"EUR{'' if kind == 'step' else '/kW'}{span}"
    charge: dict[str, Any] = {
        "name": "peak",
        "window_min": draw(st.sampled_from(windows_min)),
        "basis": basis,
        "contract_kw": draw(st.floats(0, 12)),
        "pick": pick,
        "period": draw(st.sampled_from(["month", "year", "rolling12m", "contract_year"])),
        "floor_kw": 0.0 if op == "hours" else draw(st.floats(0, 5)),
        "price": {"unit": unit, "kind": kind, "rates": rates[:1] if kind == "linear" else rates},
    }
    if charge["period"] == "month":
        charge["combine"] = draw(st.sampled_from(["none", "mean12", "max12"]))
    if draw(st.booleans()) and basis == "value":
        charge["price"]["charge_on"] = draw(st.sampled_from(["contract", "max_of_both"]))
    if classed or draw(st.booleans()):
        weight = draw(st.floats(0, 2))
        charge["classes"] = [{"name": "a", "hours": ["8-20"], "weight": weight}, {"name": "b"}]
    return {"tariff": HEAD, "demand": [charge]}


@st.composite
def loads(draw: st.DrawFn) -> Metered:
    """Return some quarters of one winter, with gaps, over two months."""
    count = draw(st.integers(1, 30))
    quarters = draw(st.lists(st.integers(0, 96 * 45), min_size=count, max_size=count, unique=True))
    energies = draw(st.lists(st.floats(0, 5000), min_size=count, max_size=count))
    exports = draw(st.lists(st.floats(0, 5000), min_size=count, max_size=count))
    starts = NEW_YEAR + 900 * np.array(quarters, dtype=np.int64)
    return Metered.of(starts, np.array(energies), np.array(exports))


def tariff_of(read: Callable[[], Tariff]) -> Tariff | None:
    """Return what is read; None for one that is refused in words."""
    problems: tuple[str, ...] = ()
    try:
        return read()
    except TariffError as error:
        problems = error.problems
    assert problems
    assert all(problem.strip() for problem in problems)
    return None


def check(tariff: Tariff, windows: Metered, market: float = 0.1) -> Bill:
    """Return the bill, having looked at it from every side."""
    result = bill(tariff, windows, np.full(len(windows), market))
    assert math.isfinite(result.total)
    assert all(math.isfinite(item.quantity) for item in result.items)
    assert round(result.total * 100) == sum(item.cents for item in result.items)
    assert all(item.net >= 0.0 for item in result.items if item.kind is ItemKind.DEMAND)
    book = DemandBook(tariff, windows)
    steps = NEW_YEAR + 900 * np.arange(96 * 45, 96 * 47)
    for term in demand_terms(book, steps):
        assert term.rate_eur_per_kw > 0.0
        assert math.isfinite(term.rate_eur_per_kw)
        assert term.floor_w >= 0.0
        assert math.isfinite(term.floor_w)
        assert np.all(np.isfinite(term.weights))
        assert np.any(term.weights)
    for state in charge_states(book, datetime.fromtimestamp(int(steps[0]), UTC)):
        assert state.already_paid_w >= 0.0
        assert math.isfinite(state.eur_per_kw)
    return result


@PACE
@given(document=st.one_of(nearly_valid(), anything), windows=loads())
def test_any_document_is_refused_in_words_or_bills_correctly(
    document: object, windows: Metered
) -> None:
    tariff = tariff_of(lambda: read_tariff(document))
    if tariff is None:
        return
    prices = (
        price(tariff, windows.starts, np.full(len(windows), -0.05))
        for price in (import_price, export_price)
    )
    assert all(np.all(np.isfinite(price)) for price in prices)
    check(tariff, windows)


@PACE
@given(text=st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("latin-1"))))
def test_any_text_is_refused_in_words_or_read(text: str) -> None:
    tariff_of(lambda: parse_tariff(text))


@PACE
@given(document=tariffs(), windows=loads())
def test_every_tariff_bills_finite_and_never_negative_demand(
    document: dict[str, Any], windows: Metered
) -> None:
    check(read_tariff(document), windows)


@PACE
@given(document=tariffs())
def test_a_document_survives_being_written_as_yaml(document: dict[str, Any]) -> None:
    assert parse_tariff(yaml.safe_dump(document)) == read_tariff(document)


@PACE
@given(first=tariffs(), second=tariffs(), windows=loads())
def test_the_bill_is_the_sum_over_its_charges(
    first: dict[str, Any], second: dict[str, Any], windows: Metered
) -> None:
    charges = [first["demand"][0], second["demand"][0] | {"name": "other"}]
    both = bill(read_tariff({"tariff": HEAD, "demand": charges}), windows)
    single = [bill(read_tariff({"tariff": HEAD, "demand": [each]}), windows) for each in charges]
    assert round(both.total * 100) == sum(round(each.total * 100) for each in single)


@PACE
@given(document=tariffs(), windows=loads(), random=st.randoms(use_true_random=False))
def test_the_order_in_which_windows_are_given_changes_nothing(
    document: dict[str, Any], windows: Metered, random: Any
) -> None:
    order = list(range(len(windows)))
    random.shuffle(order)
    shuffled = Metered.of(windows.starts[order], windows.import_wh[order], windows.export_wh[order])
    tariff = read_tariff(document)
    assert bill(tariff, shuffled) == bill(tariff, windows)


@PACE
@given(document=tariffs(), windows=loads(), kept=st.lists(st.floats(0, 1), min_size=30))
def test_drawing_less_never_costs_more(
    document: dict[str, Any], windows: Metered, kept: list[float]
) -> None:
    tariff = read_tariff(document)
    lower = Metered.of(
        windows.starts, windows.import_wh * np.array(kept[: len(windows)]), windows.export_wh
    )
    assert bill(tariff, lower).total <= bill(tariff, windows).total + 0.02


EXACT = st.one_of(
    tariffs(("max",), windows_min=(15,)),
    tariffs(("sum", "rss", "hours"), ("linear", "block"), (15,)),
)


@PACE
@given(document=EXACT, windows=loads(), extra=st.floats(0, 5000))
def test_a_window_within_what_is_already_paid_costs_nothing_more(
    document: dict[str, Any], windows: Metered, extra: float
) -> None:
    tariff = read_tariff(document)
    start = int(windows.starts[-1]) + 900
    book = DemandBook(tariff, windows)
    (state,) = charge_states(book, datetime.fromtimestamp(start, UTC))
    # Whatever it costs that there is another window at all, a new month say, is not meant.
    costs = []
    for energy_wh in (0.0, min(extra, state.already_paid_w / 4.0)):
        imports = np.append(windows.import_wh, energy_wh)
        costs.append(bill(tariff, Metered.of(np.append(windows.starts, start), imports)).total)
    assert costs[1] <= costs[0] + 0.02
