"""What the services that are asked directly answer, read into series."""

from datetime import timedelta
from pathlib import Path

import pytest

from custom_components.computeload.core.series import Kind, Unit
from custom_components.computeload.signals.areas import AREAS
from custom_components.computeload.signals.direct import (
    read_awattar,
    read_energy_charts,
    read_energy_charts_co2,
    read_uk_carbon,
)
from custom_components.computeload.signals.entsoe import read_entsoe
from custom_components.computeload.signals.error import SignalError

from .payloads import (
    DAY,
    HOUR,
    MIDNIGHT,
    QUARTER,
    awattar,
    energy_charts,
    entsoe,
    entsoe_period,
    entsoe_refusal,
    entsoe_series,
    uk_carbon,
)

SAMPLES = Path(__file__).parents[3] / "shared" / "samples"


def day(points: list[tuple[int, float]], resolution: str = "PT15M", hours: int = 24) -> str:
    """Return a period of 23 November."""
    return entsoe_period(MIDNIGHT, MIDNIGHT + hours * HOUR, resolution, points)


# ENTSO-E


@pytest.mark.parametrize(("hours", "quarters"), [(23, 92), (24, 96), (25, 100)])
def test_a_position_left_out_repeats_the_price_before_it_up_to_the_periods_end(
    hours: int, quarters: int
) -> None:
    quote = read_entsoe(entsoe(entsoe_series(day([(1, 50.0), (5, -20.0)], hours=hours))))
    assert quote.currency == "EUR"
    assert quote.series.unit is Unit.PRICE
    assert [slot.value for slot in quote.series] == [0.05] * 4 + [-0.02] * (quarters - 4)
    assert quote.series.end == MIDNIGHT + hours * HOUR
    assert all(slot.kind is Kind.DAY_AHEAD for slot in quote.series)


def test_only_the_first_auction_is_read() -> None:
    coupled = entsoe_series(day([(1, 50.0)], "PT60M"), sequence=1)
    local = entsoe_series(day([(1, 999.0)]), sequence=2)
    series = read_entsoe(entsoe(local, coupled)).series
    assert len(series) == 24
    assert {slot.value for slot in series} == {0.05}


def test_without_a_sequence_there_is_only_one_auction() -> None:
    series = read_entsoe(entsoe(entsoe_series(day([(1, 50.0)], "PT30M"), sequence=None))).series
    assert len(series) == 48


def test_where_resolutions_overlap_the_finer_one_holds() -> None:
    quarters = entsoe_period(MIDNIGHT, MIDNIGHT + HOUR, "PT15M", [(1, 10.0), (3, 30.0)])
    hours = day([(1, 70.0)], "PT1H")
    series = read_entsoe(entsoe(entsoe_series(hours), entsoe_series(quarters))).series
    assert [slot.value for slot in series][:5] == [0.01, 0.01, 0.03, 0.03, 0.07]
    assert len(series) == 27


def test_points_may_come_in_any_order() -> None:
    series = read_entsoe(entsoe(entsoe_series(day([(2, 2000.0), (1, 1000.0)], hours=1)))).series
    assert [slot.value for slot in series] == [1.0, 2.0, 2.0, 2.0]


def test_a_period_that_begins_with_a_hole_has_one() -> None:
    series = read_entsoe(entsoe(entsoe_series(day([(3, 50.0)], hours=1)))).series
    assert series.start == MIDNIGHT + 2 * QUARTER


def test_a_document_without_prices_says_that_there_is_no_data() -> None:
    for text in ("No matching data found for Data item", "no matching data found"):
        with pytest.raises(SignalError) as caught:
            read_entsoe(entsoe_refusal(text))
        assert (caught.value.key, caught.value.field) == ("no_data", "area")
    with pytest.raises(SignalError) as caught:
        read_entsoe(entsoe(entsoe_series(day([(1, 5.0)]), sequence=2)))
    assert caught.value.key == "no_data"


def test_another_refusal_is_passed_on() -> None:
    with pytest.raises(SignalError) as caught:
        read_entsoe(entsoe_refusal("Input parameter is wrong"))
    assert caught.value.key == "source_says"
    assert "Input parameter" in caught.value.details["what"]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html><body>maintenance</body></html>", id="a web page"),
        pytest.param(b"<Publication", id="cut off"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', id="entities"),
        pytest.param(entsoe(entsoe_series(day([(1, 5.0)], "P1D"))), id="resolution"),
        pytest.param(
            entsoe(entsoe_series(entsoe_period(MIDNIGHT, MIDNIGHT, "PT15M", [(1, 5.0)]))),
            id="no duration",
        ),
        pytest.param(
            entsoe(entsoe_series(entsoe_period(MIDNIGHT, MIDNIGHT + 900 * DAY, "PT15M", []))),
            id="far too long",
        ),
        pytest.param(
            entsoe(entsoe_series(entsoe_period(MIDNIGHT, MIDNIGHT + DAY, "PT15M", [("x", 5)]))),
            id="position",
        ),
        pytest.param(
            entsoe(entsoe_series(entsoe_period(MIDNIGHT, MIDNIGHT + DAY, "PT15M", [(1, "nan")]))),
            id="not a number",
        ),
        pytest.param(
            entsoe(entsoe_series(entsoe_period(MIDNIGHT, MIDNIGHT + DAY, "PT15M", [(1, "")]))),
            id="no price",
        ),
        pytest.param(
            entsoe(entsoe_series(day([(1, 5.0)])).replace("MWH", "MMBTU")), id="another unit"
        ),
    ],
)
def test_what_is_no_document_of_prices_is_said_to_be_unreadable(payload: bytes) -> None:
    with pytest.raises(SignalError) as caught:
        read_entsoe(payload)
    assert caught.value.key == "payload_unexpected"


def test_the_codes_of_the_areas_check_out() -> None:
    # The last character of an EIC checks the others (ENTSO-E, EIC reference manual).
    signs = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
    for area, code in AREAS.items():
        weights = zip(code[:15], range(16, 1, -1), strict=True)
        total = sum(signs.index(sign) * weight for sign, weight in weights)
        assert code[-1] == signs[36 - (total - 1) % 37], area
    assert len(set(AREAS.values())) == len(AREAS)


# Energy-Charts


def test_energy_charts_gives_prices_with_their_licence() -> None:
    quote = read_energy_charts(energy_charts(MIDNIGHT, [100.0, -5.0, 50.0]))
    assert [(slot.start, slot.value) for slot in quote.series] == [
        (MIDNIGHT, 0.1),
        (MIDNIGHT + QUARTER, -0.005),
        (MIDNIGHT + 2 * QUARTER, 0.05),
    ]
    assert quote.currency == "EUR"
    assert quote.note == "free to use in tests"


def test_hours_of_energy_charts_stay_hours() -> None:
    series = read_energy_charts(energy_charts(MIDNIGHT, [100.0] * 5, HOUR)).series
    assert {slot.end - slot.start for slot in series} == {HOUR}


def test_a_price_that_is_null_is_a_hole() -> None:
    series = read_energy_charts(energy_charts(MIDNIGHT, [1.0, 2.0, None, 4.0, 5.0])).series
    hole = (MIDNIGHT + 2 * QUARTER, MIDNIGHT + 3 * QUARTER)
    assert series.holes(MIDNIGHT, MIDNIGHT + 5 * QUARTER) == [hole]


def test_a_day_without_any_price_has_no_data() -> None:
    with pytest.raises(SignalError) as caught:
        read_energy_charts(energy_charts(MIDNIGHT, [None, None]))
    assert caught.value.key == "no_data"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b'{"price": [1.0]}',
        b'{"unix_seconds": [1], "price": "no"}',
        b'{"unix_seconds": [1, 2], "price": [1.0], "unit": "EUR/MWh"}',
        energy_charts(MIDNIGHT, [1.0], unit="MMBtu"),
        energy_charts(MIDNIGHT, [1.0], unit=None),
        energy_charts(MIDNIGHT, [1.0], unix_seconds=["yesterday"]),
        energy_charts(MIDNIGHT, [1.0], unix_seconds=[1e30]),
        energy_charts(MIDNIGHT, [1.0], price=[True]),
        energy_charts(MIDNIGHT, [1.0]).replace(b"1.0", b"NaN"),
        energy_charts(MIDNIGHT, [1.0]).replace(b"1.0", b"1e400"),
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_answer_of_energy_charts_is_said_to_be_unreadable(payload: bytes) -> None:
    with pytest.raises(SignalError) as caught:
        read_energy_charts(payload)
    assert caught.value.key == "payload_unexpected"


def test_carbon_is_measured_as_far_as_it_is_and_forecast_behind_that() -> None:
    payload = energy_charts(
        MIDNIGHT,
        [1.0] * 4,
        co2eq=[300.0, 310.0, None, None],
        co2eq_forecast=[None, 999.0, 320.0, 330.0],
    )
    series = read_energy_charts_co2(payload).series
    assert series.unit is Unit.CARBON
    assert [(slot.value, slot.kind) for slot in series] == [
        (300.0, Kind.MEASURED),
        (310.0, Kind.MEASURED),
        (320.0, Kind.FORECAST),
        (330.0, Kind.FORECAST),
    ]


def test_carbon_without_any_value_has_no_data() -> None:
    with pytest.raises(SignalError) as caught:
        read_energy_charts_co2(energy_charts(MIDNIGHT, [1.0], co2eq=[None]))
    assert caught.value.key == "no_data"


# aWATTar and Great Britain


def test_awattar_gives_hours() -> None:
    quote = read_awattar(awattar(MIDNIGHT, [92.85, -1.5]))
    assert quote.currency == "EUR"
    assert [slot.value for slot in quote.series] == pytest.approx([0.09285, -0.0015])
    assert quote.series.end == MIDNIGHT + 2 * HOUR


def test_awattar_without_rows_has_no_data() -> None:
    with pytest.raises(SignalError) as caught:
        read_awattar(awattar(MIDNIGHT, []))
    assert caught.value.key == "no_data"


def test_awattar_in_an_unknown_unit_is_not_guessed_at() -> None:
    with pytest.raises(SignalError) as caught:
        read_awattar(awattar(MIDNIGHT, [1.0], unit="Eur"))
    assert caught.value.key == "payload_unexpected"


@pytest.mark.parametrize("regional", [False, True])
def test_great_britain_gives_half_hours(regional: bool) -> None:
    series = read_uk_carbon(uk_carbon(MIDNIGHT, [162, 164], regional=regional)).series
    assert [slot.value for slot in series] == [162.0, 164.0]
    assert {slot.kind for slot in series} == {Kind.FORECAST}
    assert series.end == MIDNIGHT + timedelta(hours=1)


@pytest.mark.parametrize("payload", [b"{}", b'{"data": 5}', b'{"data": [{"from": "x"}]}'])
def test_another_answer_from_great_britain_is_unreadable(payload: bytes) -> None:
    with pytest.raises(SignalError) as caught:
        read_uk_carbon(payload)
    assert caught.value.key == "payload_unexpected"


# Real answers, where they are at hand.


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collection of real answers is not here")
@pytest.mark.parametrize(
    ("name", "slots"),
    [("BE_60M_15M_mix", 216), ("DE_60M_15M_overlap", 48), ("BE_15M_exact4", 4)],
)
def test_real_documents_are_read_without_holes(name: str, slots: int) -> None:
    payload = (SAMPLES / "prices" / f"entsoe_A44_{name}.xml").read_bytes()
    series = read_entsoe(payload).series
    assert len(series) == slots
    assert series.start is not None
    assert series.end is not None
    assert series.holes(series.start, series.end) == []


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the collection of real answers is not here")
def test_real_answers_of_other_services_are_read() -> None:
    def sample(name: str) -> bytes:
        return (SAMPLES / name).read_bytes()

    prices = read_energy_charts(sample("prices/energycharts_price_DE-LU_hourly_2024-12.json"))
    assert len(prices.series) == 48
    assert prices.series.slots[0].value == pytest.approx(0.09285)
    carbon = read_energy_charts_co2(sample("carbon/energycharts_co2eq_de_trimmed.json"))
    assert [s.kind for s in carbon.series] == [Kind.MEASURED] * 3 + [Kind.FORECAST] * 2
    assert len(read_uk_carbon(sample("carbon/uk_regional_fw48h_postcode.json")).series) == 9
