"""What a quarter would have been without control."""

from dataclasses import replace

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.core.ledger import (
    EXPORT,
    IMPORT,
    Channel,
    Flow,
    Origin,
    Quarter,
)
from custom_components.computeload.core.model import Reason
from custom_components.computeload.core.without import was_controlled, with_counterfactual

from .ledger_rows import CHARGED, DISCHARGED, START


def quarter(
    drawn: float = 0.0, fed: float = 0.0, taken: float = 0.0, given_: float = 0.0
) -> Quarter:
    """Return a controlled quarter of these energies, Wh."""
    flows = {
        IMPORT: Flow(drawn),
        EXPORT: Flow(fed),
        CHARGED: Flow(taken),
        DISCHARGED: Flow(given_),
    }
    return Quarter(start=START, origin=Origin.COUNTER, flows=flows, reason=Reason.PEAK, commands=3)


def without(row: Quarter, export_limit_w: float | None = None) -> tuple[float | None, float | None]:
    """Return import and export without control."""
    filled = with_counterfactual(row, export_limit_w)
    return filled.without_import_wh, filled.without_export_wh


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (quarter(drawn=5000.0, given_=2000.0), (7000.0, 0.0)),
        (quarter(drawn=5000.0, taken=2000.0), (3000.0, 0.0)),
        # Surplus that was stored would have been fed in.
        (quarter(fed=500.0, taken=2000.0), (0.0, 2500.0)),
        # Charged beyond the surplus: the rest came from the grid.
        (quarter(drawn=700.0, taken=2000.0), (0.0, 1300.0)),
        # What crossed the meter both ways does so either way.
        (quarter(drawn=300.0, fed=200.0), (300.0, 200.0)),
    ],
)
def test_the_grid_carries_what_the_battery_did(row: Quarter, expected: tuple[float, float]) -> None:
    assert without(row) == pytest.approx(expected)


@pytest.mark.parametrize(
    "change",
    [
        {"reason": Reason.OFF, "commands": 0},
        {"reason": None, "commands": None},
    ],
)
def test_what_nobody_commanded_would_have_been_the_same(change: dict[str, object]) -> None:
    row = replace(quarter(drawn=5000.0, given_=2000.0), **change)  # type: ignore[arg-type]
    assert not was_controlled(row)
    assert without(row) == (5000.0, 0.0)


def test_a_past_from_elsewhere_is_left_as_it_is() -> None:
    row = replace(quarter(drawn=5000.0, given_=2000.0), origin=Origin.IMPORTED)
    assert with_counterfactual(row) is row


def test_a_release_in_the_quarter_still_counts_as_control() -> None:
    assert was_controlled(replace(quarter(), reason=Reason.OFF, commands=1))


def test_feed_in_above_the_limit_would_have_been_curtailed() -> None:
    row = quarter(fed=5000.0, taken=2000.0)
    assert without(row, 24_000.0) == (0.0, 6000.0)
    assert without(row, 8_000.0) == (0.0, 5000.0), "what was fed in could be fed in"


def test_a_gap_is_a_gap_on_both_sides() -> None:
    row = quarter(given_=900.0)
    known = replace(row, flows={**row.flows, IMPORT: Flow(4000.0, 600.0)})
    assert without(known) == (4600.0, 0.0), "two thirds of the quarter, of both"


@pytest.mark.parametrize("channel", [IMPORT, DISCHARGED, EXPORT])
def test_what_is_hardly_known_is_not_guessed(channel: Channel) -> None:
    row = quarter(drawn=4000.0, given_=900.0)
    assert without(replace(row, flows={**row.flows, channel: Flow(10.0, 30.0)})) == (None, None)


def test_a_site_without_battery_is_as_metered() -> None:
    row = replace(quarter(), flows={IMPORT: Flow(4000.0)})
    assert without(row) == (4000.0, 0.0)


energies = st.floats(0.0, 1e6)


@given(energies, energies, energies, energies)
def test_the_balance_closes_and_nothing_is_negative(
    drawn: float, fed: float, taken: float, given_: float
) -> None:
    import_wh, export_wh = without(quarter(drawn, fed, taken, given_))
    assert import_wh is not None
    assert export_wh is not None
    assert min(import_wh, export_wh) >= 0.0
    assert import_wh - export_wh == pytest.approx(drawn - fed + given_ - taken, abs=0.01)


@given(energies, energies)
def test_a_battery_at_rest_changes_nothing(drawn: float, fed: float) -> None:
    assert without(quarter(drawn, fed)) == pytest.approx((drawn, fed), abs=0.002)
