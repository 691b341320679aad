"""A month's report as rows for a spreadsheet: one value a row, with what it is and its unit."""

from collections.abc import Iterator
import csv
from typing import TextIO

from .report import MonthReport
from .report_numbers import kilo
from .savings import Statement

type Line = tuple[str, str, str, str, float | None]
"""Section, item, quantity, unit, value."""

HEAD = ("section", "item", "quantity", "unit", "value")


def write_report(out: TextIO, report: MonthReport, units: dict[str, str]) -> int:
    """Write the rows, and return how many. ``units``: of what is billed, by its name.

    What is not known has an empty value. Moments are local, with their offset.
    """
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    count = 0
    for *named, value in _lines(report, units):
        writer.writerow([*named, "" if value is None else round(value, 3)])
        count += 1
    return count


def _lines(report: MonthReport, units: dict[str, str]) -> Iterator[Line]:
    money, zone = report.tariff.currency, report.tariff.calendar.zone
    for month, statement in report.months.items():
        yield from _account(month, statement, money)
    for each in report.billed:
        name = f"{each.name} {each.label}"
        yield "billed", name, "billed", units.get(each.name, "kW"), each.billed
        yield "billed", name, "amount", money, each.cents / 100.0
    for quarter in report.highest:
        start = quarter.start.astimezone(zone).isoformat(timespec="minutes")
        yield "highest", start, "import", "kW", quarter.mean_w / 1000.0
        yield "highest", start, "without_control", "kW", kilo(quarter.without_w)
    for day in report.days:
        item = day.day.isoformat()
        for quantity, wh in (
            ("import", day.import_wh),
            ("export", day.export_wh),
            ("pv", day.pv_wh),
            ("load", day.load_wh),
            ("battery_in", day.battery_in_wh),
            ("battery_out", day.battery_out_wh),
        ):
            yield "day", item, quantity, "kWh", kilo(wh)
        yield "day", item, "energy_cost", money, day.energy_cost
        yield "day", item, "co2", "kg", kilo(day.co2_g)
        yield "day", item, "peak", "kW", kilo(day.peak_w)
    for cluster in report.clusters:
        for sort, uses in (
            ("cluster", (cluster.total,)),
            ("user", cluster.users),
            ("job", cluster.jobs),
        ):
            for use in uses:
                item = cluster.name if sort == "cluster" else f"{cluster.name}: {use.name}"
                yield sort, item, "energy", "kWh", use.energy_wh / 1000.0
                yield sort, item, "cost", money, use.cost
                yield sort, item, "co2", "kg", use.co2_g / 1000.0


def _account(month: str, statement: Statement, money: str) -> Iterator[Line]:
    saved = statement.saved
    for section, amounts in (("bill", statement.bill), ("without_control", statement.without)):
        yield section, month, "energy", money, amounts.energy / 100.0
        yield section, month, "demand", money, amounts.demand / 100.0
    for name, cents in (
        ("demand", saved.demand),
        ("arbitrage", saved.arbitrage),
        ("pv", saved.pv),
        ("wear", saved.wear),
    ):
        yield "saved", month, name, money, cents / 100.0
    yield "saved", month, "co2", "kg", kilo(statement.co2_saved_g)
