"""A month's report: its sums are the ledger's, its money the bill's, and its page harmless."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from io import StringIO
import json
from pathlib import Path
import string
from typing import override
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.computeload.core.ledger import EXPORT, IMPORT, Flow, Quarter
from custom_components.computeload.core.report import (
    ClusterUse,
    MonthReport,
    ReportedSite,
    ReportError,
    User,
    month_report,
)
from custom_components.computeload.core.report_charts import Row, bars, heat_map, lines
from custom_components.computeload.core.report_csv import write_report
from custom_components.computeload.core.report_html import html_report
from custom_components.computeload.core.report_numbers import NOTHING, Numbers

from .ledger_rows import PV
from .savings_site import BATTERY, Told, quarters, tariff, written
from .tariff_site import BERLIN, at

TRANSLATIONS = Path(__file__).parents[2] / "custom_components" / "computeload" / "translations"
MARCH = date(2026, 3, 1)
LATER = at("2026-05-01")
NUMBERS = Numbers(language="en", zone=ZoneInfo(BERLIN), currency="EUR")
EVIL = "<script>alert(1)</script>&\"'"


def site(**more: object) -> ReportedSite:
    """Return a site with a battery and one demand charge."""
    plain = ReportedSite(name="Lab", tariff=tariff(), battery=BATTERY, names={})
    return replace(plain, **more)  # type: ignore[arg-type]


def report(folder: Path, rows: list[Quarter], month: date = MARCH, **more: object) -> MonthReport:
    """Return the report of a month from these quarters."""
    return month_report(written(folder, rows), site(**more), month, LATER)


def march(told: Mapping[str, Told] | None = None, *, since: str = "2026-03-01") -> list[Quarter]:
    """Return March at 10 kW, unless told by day and time: ``{"03T12:00": {"load": 30}}``."""
    by_start = {f"2026-03-{when}": each for when, each in (told or {}).items()}
    return list(quarters(since, "2026-04-01", by_start))


def words(language: str = "en") -> dict[str, str]:
    """Return the texts of the dashboard and the report, by their keys."""
    groups = json.loads((TRANSLATIONS / f"{language}.json").read_text())["config_panel"]
    return {
        f"{group}.{key}": text for group, texts in groups.items() for key, text in texts.items()
    }


def page_of(made: MonthReport, language: str = "en") -> str:
    """Return a report's page."""
    texts = words(language)
    numbers = replace(NUMBERS, language=language)
    return html_report(made, lambda key, **filled: texts[key].format(**filled), numbers, {})


# -- what is reported ----------------------------------------------------------------------


def test_the_days_are_those_of_the_month_in_local_time(tmp_path: Path) -> None:
    made = report(tmp_path, march())
    assert [each.day for each in made.days] == [date(2026, 3, n + 1) for n in range(31)]
    # The clock is put forward on the 29th: that day has 23 hours.
    assert made.days[27].import_wh == pytest.approx(240_000.0)
    assert made.days[28].import_wh == pytest.approx(230_000.0)
    assert made.total(lambda day: day.import_wh) == pytest.approx(743 * 10_000.0)
    assert made.complete


def test_money_co2_and_peak_of_a_day_are_worked_out_by_hand(tmp_path: Path) -> None:
    told: Told = {"load": 30.0, "buy": 0.40, "co2": 100.0}
    made = report(tmp_path, march({"03T12:00": told}))
    day = made.days[2]
    assert day.peak_w == pytest.approx(30_000.0)
    assert day.energy_cost == pytest.approx(95 * 2.5 * 0.20 + 7.5 * 0.40)
    assert day.co2_g == pytest.approx(95 * 2.5 * 400.0 + 7.5 * 100.0)


def test_what_is_fed_in_is_earned(tmp_path: Path) -> None:
    made = report(tmp_path, march({"03T12:00": {"load": 10.0, "pv": 30.0}}))
    assert made.days[2].export_wh == pytest.approx(5_000.0)
    assert made.days[2].energy_cost == pytest.approx(95 * 2.5 * 0.20 - 5.0 * 0.08)


def test_a_price_for_feeding_in_is_needed_only_by_who_does(tmp_path: Path) -> None:
    made = report(tmp_path, list(quarters("2026-03-01", "2026-04-01", usual={"sell": None})))
    assert made.days[0].energy_cost == pytest.approx(240.0 * 0.20)


def test_the_bill_is_that_of_the_month_and_the_months_before_stand_beside_it(
    tmp_path: Path,
) -> None:
    rows = march({"03T12:00": {"load": 30.0, "battery": 5.0}}, since="2026-02-01")
    made = report(tmp_path, rows)
    assert list(made.months) == ["2026-02", "2026-03"]
    assert made.statement == made.months["2026-03"]
    assert made.statement.bill.demand == 25 * 10 * 100
    assert made.statement.without.demand == 30 * 10 * 100
    (billed,) = made.billed
    assert (billed.label, billed.billed, billed.cents) == ("2026-03", 25.0, 25_000)


def test_the_highest_quarters_come_first_and_say_what_they_would_have_been(tmp_path: Path) -> None:
    made = report(
        tmp_path,
        march({"03T12:00": {"load": 30.0, "battery": 5.0}, "04T12:00": {"load": 40.0}}),
    )
    assert [round(each.mean_w) for each in made.highest[:3]] == [40_000, 25_000, 10_000]
    assert made.highest[1].without_w == pytest.approx(30_000.0)
    assert made.highest[0].start == at("2026-03-04T12:00")
    assert len(made.highest) == 10


def test_the_story_of_the_billed_peak_is_told_and_none_of_another_month(tmp_path: Path) -> None:
    made = report(tmp_path, march({"03T12:00": {"load": 30.0}}))
    (story,) = made.stories
    assert story.start == at("2026-03-03T12:00")
    annual = tariff(period="year")
    later = list(quarters("2026-02-01", "2026-04-01", {"2026-02-03T12:00": {"load": 30.0}}))
    (tmp_path / "other").mkdir()
    assert report(tmp_path / "other", later, tariff=annual).stories == ()


def test_a_month_that_runs_is_reported_as_it_stands(tmp_path: Path) -> None:
    rows = list(quarters("2026-03-01", "2026-03-05T06:00"))
    made = month_report(written(tmp_path, rows), site(), MARCH, at("2026-03-05T06:10"))
    assert not made.complete
    assert (made.since, made.until) == (at("2026-03-01"), at("2026-03-05T06:00"))
    assert len(made.days) == 5
    assert "as it stands" in page_of(made) or "how it stands" in page_of(made)


@pytest.mark.parametrize("month", [date(2026, 1, 1), date(2026, 4, 1), date(2030, 12, 1)])
def test_of_a_month_that_nobody_metered_there_is_no_report(tmp_path: Path, month: date) -> None:
    with pytest.raises(ReportError, match=f"{month:%Y-%m}"):
        report(tmp_path, march(), month)


def test_a_report_made_later_is_the_same(tmp_path: Path) -> None:
    rows = list(quarters("2026-02-01", "2026-04-15", {"2026-04-03T12:00": {"load": 90.0}}))
    reader = written(tmp_path, rows)
    first = month_report(reader, site(), MARCH, at("2026-04-01T00:10"))
    second = month_report(reader, site(), MARCH, at("2026-04-15"))
    assert page_of(first) == page_of(second)


# -- as a page -----------------------------------------------------------------------------


class Page(HTMLParser):
    """Checks that a page is well-formed, and collects its tags and its text."""

    VOID = ("meta", "line", "rect", "polyline")

    def __init__(self, text: str) -> None:
        """Read a page."""
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.said = ""
        self.feed(text)
        assert self.open == []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in self.VOID:
            self.open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.said += data


def busy(folder: Path, name: str = "ada") -> MonthReport:
    """Return a report with everything in it; somebody chose the names."""
    use = User(name=name, energy_wh=5_000_000.0, cost=1000.0, co2_g=1e6)
    rows = [
        replace(row, flows={**row.flows, PV: Flow(500.0), IMPORT: row.flows[IMPORT]})
        for row in march({"03T12:00": {"load": 30.0, "battery": 5.0}, "10T12:00": {"pv": 50.0}})
    ]
    cluster = ClusterUse(name=name, total=use, users=(use,), jobs=(use,))
    return report(folder, rows, name=name, clusters=(cluster,))


def test_the_page_says_what_matters(tmp_path: Path) -> None:
    page = Page(page_of(busy(tmp_path)))
    assert "script" not in page.tags
    assert page.links == []
    for told in ("2026-03", "25.0\N{NO-BREAK SPACE}kW", "ada", "2026-03-03 12:00", "Lower peaks"):
        assert told in page.said, told
    assert page.tags.count("svg") == 5


def test_nobody_can_put_anything_into_the_page(tmp_path: Path) -> None:
    page = Page(page_of(busy(tmp_path, EVIL)))
    assert "script" not in page.tags
    assert EVIL in page.said


def test_a_site_without_prices_gets_a_page_without_money(tmp_path: Path) -> None:
    rows = list(quarters("2026-03-01", "2026-04-01", usual={"buy": None, "sell": None}))
    free = replace(tariff(), demand=())
    page = Page(page_of(report(tmp_path, rows, tariff=free)))
    assert "EUR" not in page.said
    assert "743" not in page.said
    assert "7\N{NARROW NO-BREAK SPACE}430\N{NO-BREAK SPACE}kWh" in page.said


@pytest.mark.parametrize("file", sorted(TRANSLATIONS.glob("*.json")), ids=lambda file: file.stem)
def test_the_page_can_be_written_in_every_language(tmp_path: Path, file: Path) -> None:
    page = page_of(busy(tmp_path), file.stem)
    assert f'lang="{file.stem}"' in page
    assert Page(page).said
    assert len(words(file.stem)["report.weekdays"].split()) == 7


def test_every_text_of_the_report_is_used() -> None:
    code = (TRANSLATIONS.parent / "core" / "report_html.py").read_text()
    of_report = {key for key in words() if key.startswith("report.")}
    assert {key for key in of_report if f'"{key}"' not in code and f"'{key}'" not in code} == set()


# -- as rows -------------------------------------------------------------------------------


def test_the_rows_add_up_to_the_bill(tmp_path: Path) -> None:
    made = busy(tmp_path)
    out = StringIO()
    count = write_report(out, made, {"peak": "kW"})
    head, *rows = (line.split(",") for line in out.getvalue().splitlines())
    assert head == ["section", "item", "quantity", "unit", "value"]
    assert len(rows) == count
    bill = [float(row[4]) for row in rows if row[:2] == ["bill", "2026-03"]]
    assert sum(bill) == pytest.approx(made.statement.bill.total / 100.0)
    cost = [float(row[4]) for row in rows if row[0] == "day" and row[2] == "energy_cost"]
    assert sum(cost) == pytest.approx(made.statement.bill.energy / 100.0, abs=0.02)
    assert ["billed", "peak 2026-03", "billed", "kW", "25.0"] in rows
    assert ["highest", "2026-03-03T12:00+01:00", "import", "kW", "25.0"] in rows


# -- numbers and charts --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "written_as"),
    [("en", "1 234.50"), ("zh-Hans", "1 234.50"), ("de", "1 234,50"), ("pl", "1 234,50")],
)
def test_numbers_are_written_as_the_language_does(language: str, written_as: str) -> None:
    numbers = replace(NUMBERS, language=language)
    assert numbers.number(1234.5, 2).replace("\N{NARROW NO-BREAK SPACE}", " ") == written_as


def test_what_is_not_known_is_a_dash_and_a_rounded_zero_has_no_sign() -> None:
    assert NUMBERS.power(None) == NUMBERS.money(None) == NUMBERS.percent(None) == NOTHING
    assert NUMBERS.number(float("nan")) == NOTHING
    assert NUMBERS.number(-0.004, 2) == "0.00"
    assert NUMBERS.clock(datetime(2026, 3, 1, 11, 0, tzinfo=UTC)) == "12:00"


values = st.lists(st.none() | st.floats(-1e9, 1e9), min_size=1, max_size=40)


@given(values, st.booleans(), st.text(string.printable, max_size=20))
def test_any_values_make_a_chart_within_its_frame(
    told: list[float | None], stacked: bool, name: str
) -> None:
    if stacked:
        told = [None if value is None else abs(value) for value in told]
    rows = [Row(name=name, colour="grid", values=told), Row(name=name, colour="pv", values=told)]
    labels = [str(n) for n in range(len(told))]
    chart = bars(name, labels, rows, str, stacked=stacked, line=(name, 5.0))
    assert "nan" not in chart.replace(name, "").lower()
    Page(chart)
    Page(lines(name, rows, labels, str))


def test_a_heat_map_leaves_unknown_hours_empty() -> None:
    cells: list[list[list[int] | None]] = [[None] * 24 for _ in range(7)]
    cells[2][5] = [1000, 2000]
    days = ["a", "b", "c", "d", "e", "f", "g"]
    assert Page(heat_map("h", days, cells, str)).tags.count("rect") == 1


def test_export_is_not_drawn_as_own_use(tmp_path: Path) -> None:
    rows = [
        replace(row, flows={**row.flows, PV: Flow(2500.0), EXPORT: Flow(2500.0)})
        for row in quarters("2026-03-01", "2026-03-02")
    ]
    page = page_of(report(tmp_path, rows))
    assert "1: Own PV 0 kWh" in page
