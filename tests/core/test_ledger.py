"""The ledger's rows: what a quarter says, and which of two accounts of it stands."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.core.ledger import (
    EXPORT,
    IMPORT,
    Channel,
    Flow,
    Origin,
    Quarter,
    Role,
    merged,
)

from .ledger_rows import CHARGED, PV, RACK, START, full

FLOWS = st.dictionaries(
    st.sampled_from([IMPORT, EXPORT, PV, CHARGED, RACK]),
    st.builds(
        Flow,
        st.floats(0.0, 1e5).map(lambda wh: round(wh, 3)),
        st.sampled_from([0.0, 60.0, 449.0, 450.0, 900.0]),
    ),
    min_size=1,
)
QUARTERS = st.builds(
    Quarter,
    start=st.just(START),
    origin=st.sampled_from(Origin),
    flows=FLOWS,
    soc=st.none() | st.floats(0.0, 1.0),
    price_import=st.none() | st.floats(-1.0, 1.0),
)


def test_the_load_is_what_the_balance_leaves() -> None:
    # 2000 drawn + 500 from the sun - 100 into the battery
    assert full().load_wh == pytest.approx(2_400.0)
    assert full().branches_wh == {"rack": 1_500.125}


def test_a_load_known_for_half_the_quarter_speaks_for_all_of_it() -> None:
    half = replace(full(), flows={IMPORT: Flow(1_000.0, 450.0), EXPORT: Flow(0.0, 450.0)})
    assert half.load_wh == pytest.approx(2_000.0)
    assert half.import_wh == 1_000.0, "what is billed is what was metered"


def test_a_load_with_a_silent_part_is_not_known() -> None:
    silent = replace(full(), flows={**full().flows, PV: Flow(0.0, 0.0)})
    assert silent.load_wh is None
    assert silent.energy_wh(Role.PV) is None
    assert silent.import_wh == 2_000.0


def test_a_load_from_a_file_stands_for_itself() -> None:
    past = Quarter(start=START, origin=Origin.IMPORTED, flows={Channel(Role.LOAD): Flow(700.0)})
    assert past.load_wh == pytest.approx(700.0)
    assert past.import_wh is None
    assert past.covered_s == 0.0


@pytest.mark.parametrize("name", ["import", "pv/roof", "branch/a/b"])
def test_a_channels_name_is_read_again(name: str) -> None:
    assert str(Channel.parse(name)) == name


def test_metered_stands_over_imported_whichever_came_first() -> None:
    past = replace(full(), origin=Origin.IMPORTED, flows={IMPORT: Flow(9_999.0)}, soc=0.9)
    little = replace(full(), flows={IMPORT: Flow(10.0, 60.0)}, soc=None)
    for one, other in ((past, little), (little, past)):
        stands = merged(one, other)
        assert stands.origin is Origin.COUNTER
        assert stands.import_wh == 10.0
        assert stands.soc == 0.9, "what the metered row does not say is taken from the other"


def test_a_device_that_answers_late_changes_its_own_flow_only() -> None:
    early = replace(full(), flows={**full().flows, PV: Flow(0.0, 0.0)})
    late = replace(full(), flows={PV: Flow(500.0, 900.0)}, reason=None, soc=None)
    assert merged(early, late) == full()


def test_a_quarter_told_twice_counts_once() -> None:
    again = replace(full(), flows={IMPORT: Flow(2_500.0)})
    assert merged(full(), again) == full()


@given(QUARTERS, QUARTERS)
def test_no_account_adds_to_another(old: Quarter, new: Quarter) -> None:
    both = merged(old, new)
    for channel, flow in both.flows.items():
        assert flow in {old.flows.get(channel), new.flows.get(channel)}
    assert merged(both, new) == both
    if Origin.IMPORTED not in {old.origin, new.origin}:
        assert merged(both, old) == both, "an old account told again changes nothing"


@given(QUARTERS)
def test_a_load_is_known_and_not_negative_or_not_known(quarter: Quarter) -> None:
    assert quarter.load_wh is None or 0.0 <= quarter.load_wh < 1e7
    assert quarter.end - quarter.start == timedelta(minutes=15)
