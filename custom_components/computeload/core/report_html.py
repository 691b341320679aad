"""A month's report as one page that needs no network: for the screen, for paper, for mail."""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Final

from .post_mortem import PostMortem
from .report import ClusterUse, Day, MonthReport, User
from .report_charts import Row, bars, heat_map, lines
from .report_numbers import NOTHING, Numbers, kilo
from .savings import Billed

_WORTH_TELLING: Final = 50.0
"""A sum of less than so many Wh or g is none."""

type Say = Callable[..., str]
"""Returns the text of a key in the reader's language, with its placeholders filled."""

CSS: Final = """\
:root { color-scheme: light dark; --ink: #1d2329; --muted: #5c6670; --paper: #fff; --edge: #dde2e7;
  --grid: #3866b0; --pv: #c98a00; --load: #7a4fb0; --bill: #3866b0; --without: #98a2ad;
  --good: #2c7a4b; --mark: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --muted: #9aa5b0; --paper: #15191d;
  --edge: #343c44; --grid: #7aa5e8; --pv: #e6b84a; --load: #b896e0; --bill: #7aa5e8;
  --without: #6b7681; --good: #6cc492; --mark: #f2867e; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 820px; margin: 0 auto; padding: 24px 16px; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 18px; margin: 32px 0 8px; }
h3 { font-size: 15px; margin: 16px 0 4px; } p { margin: 4px 0; } .muted { color: var(--muted); }
.keys { display: grid; grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)); gap: 12px;
  margin: 16px 0; padding: 0; }
.keys div { border: 1px solid var(--edge); border-radius: 10px; padding: 10px 12px; }
.keys dt { color: var(--muted); font-size: 13px; } .keys dd { margin: 0; font-size: 20px; }
.keys dd.good { color: var(--good); } .keys small { display: block; font-size: 13px; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 4px 8px; border-bottom: 1px solid var(--edge); }
th { font-weight: 600; font-size: 13px; color: var(--muted); }
.figure { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
svg { width: 100%; min-width: 560px; height: auto; display: block; }
svg text { font-size: 11px; fill: var(--muted); }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: var(--edge); } svg .mark { stroke: var(--mark); stroke-dasharray: 5 4; }
.line { fill: none; stroke-width: 2; } .legend span { margin-right: 16px; font-size: 13px; }
.legend i { display: inline-block; width: 10px; height: 10px; margin-right: 6px; }
.legend i.mark { height: 2px; background: var(--mark); vertical-align: middle; }
@media print { h2 { break-after: avoid; } svg, table { break-inside: avoid; } }
"""


def html_report(report: MonthReport, say: Say, numbers: Numbers, units: dict[str, str]) -> str:
    """Return the page. ``units``: of what is billed, by the name of it."""
    writer = _Writer(report, say, numbers, units)
    title = f"{report.site}, {report.month}"
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!doctype html>\n<html lang="{escape(numbers.language)}">\n<head>\n'
        '<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{escape(title)}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n<main>\n"
        f"{''.join(writer.sections())}</main>\n</body>\n</html>\n"
    )


class _Writer:
    """Writes one report's sections."""

    def __init__(
        self, report: MonthReport, say: Say, numbers: Numbers, units: dict[str, str]
    ) -> None:
        self.report, self.numbers, self.units = report, numbers, units
        self.plain = say

    def say(self, key: str, **filled: str) -> str:
        return escape(self.plain(key, **filled))

    def sections(self) -> Iterable[str]:
        """Yield the sections that have something to say."""
        yield self._head()
        yield self._keys()
        if self.report.statement.has_money:
            yield self._saved()
            yield self._months()
        yield self._energy()
        yield self._peaks()
        yield from (self._story(each) for each in self.report.stories)
        yield self._shape()
        yield from (self._cluster(each) for each in self.report.clusters)

    def _head(self) -> str:
        report, numbers = self.report, self.numbers
        span = f"{numbers.moment(report.since)} {NOTHING} {numbers.moment(report.until)}"
        more = "" if report.complete else f"<p>{self.say('report.running')}</p>"
        coverage = report.statement.coverage
        covered = (
            ""
            if coverage is None
            else self.say("savings.coverage", share=numbers.percent(coverage))
        )
        return (
            f"<header><h1>{escape(report.site)}: {self.say('report.title')} {report.month}</h1>"
            f'<p class="muted">{span}. {covered}</p>{more}</header>'
        )

    def _keys(self) -> str:
        report, numbers = self.report, self.numbers
        statement, keys = report.statement, []
        if statement.has_money:
            parts = (
                f"{self.say('savings.energy')} {numbers.cents(statement.bill.energy)}",
                f"{self.say('savings.peaks')} {numbers.cents(statement.bill.demand)}",
            )
            small = "".join(f"<small>{part}</small>" for part in parts)
            keys.append((self.say("savings.bill"), numbers.cents(statement.bill.total) + small, ""))
            good = "good" if statement.saved.total > 0 else ""
            keys.append((self.say("savings.saved"), numbers.cents(statement.saved.total), good))
        if report.highest:
            top = report.highest[0]
            when = f"<small>{numbers.moment(top.start)}</small>"
            keys.append((self.say("report.highest"), numbers.power(top.mean_w) + when, ""))
        sums: list[tuple[str, Callable[[Day], float | None], Callable[[float | None], str]]] = [
            ("report.import", lambda day: day.import_wh, numbers.energy),
            ("report.export", lambda day: day.export_wh, numbers.energy),
            ("report.load", lambda day: day.load_wh, numbers.energy),
            ("report.pv", lambda day: day.pv_wh, numbers.energy),
            ("report.battery", lambda day: day.battery_out_wh, numbers.energy),
            ("report.co2", lambda day: day.co2_g, numbers.mass),
        ]
        for key, value_fn, written in sums:
            if (total := report.total(value_fn)) is not None and total >= _WORTH_TELLING:
                keys.append((self.say(key), written(total), ""))
        if statement.co2_saved_g:
            keys.append((self.say("savings.co2"), numbers.mass(statement.co2_saved_g), ""))
        cells = "".join(
            f'<div><dt>{name}</dt><dd class="{style}">{value}</dd></div>'
            for name, value, style in keys
        )
        return f'<dl class="keys">{cells}</dl>'

    def _saved(self) -> str:
        statement, numbers = self.report.statement, self.numbers
        saved = statement.saved
        rows = [
            [self.say("savings.without"), numbers.cents(statement.without.total)],
            *(
                [self.say(f"savings.{name}"), numbers.cents(cents)]
                for name, cents in (
                    ("demand", saved.demand),
                    ("arbitrage", saved.arbitrage),
                    ("pv", saved.pv),
                    ("wear", saved.wear),
                )
                if cents
            ),
            [self.say("savings.saved"), numbers.cents(saved.total)],
            [self.say("savings.bill"), numbers.cents(statement.bill.total)],
        ]
        head = [self.say("report.what"), self.say("peaks.amount")]
        return self._section("savings.split", _table(head, rows, figures=1))

    def _months(self) -> str:
        months = self.report.months
        chart = bars(
            self.plain("savings.chart"),
            list(months),
            [
                Row(
                    name=self.plain("savings.bill"),
                    colour="bill",
                    values=[each.bill.total / 100.0 for each in months.values()],
                ),
                Row(
                    name=self.plain("savings.without"),
                    colour="without",
                    values=[each.without.total / 100.0 for each in months.values()],
                ),
            ],
            self.numbers.number,
        )
        return self._section("report.months", chart)

    def _energy(self) -> str:
        days = self.report.days
        rows = [
            Row(
                name=self.plain("report.from_grid"),
                colour="grid",
                values=[kilo(day.import_wh) for day in days],
            )
        ]
        if any(day.pv_wh for day in days):
            own = [_own_pv(day) for day in days]
            rows.append(Row(name=self.plain("report.from_pv"), colour="pv", values=own))
        chart = bars(
            self.plain("report.energy_by_day"),
            self._day_labels(),
            rows,
            lambda value: f"{self.numbers.number(value)} kWh",
            stacked=True,
        )
        return self._section("report.energy_by_day", chart)

    def _peaks(self) -> str:
        report, numbers = self.report, self.numbers
        powers = [kilo(day.peak_w) for day in report.days]
        chart = bars(
            self.plain("report.peaks_by_day"),
            self._day_labels(),
            [Row(name=self.plain("peaks.peak"), colour="grid", values=powers)],
            lambda value: f"{numbers.number(value)} kW",
            line=self._billed_line(),
        )
        parts = [chart]
        if report.billed:
            rows = [
                [
                    escape(each.name),
                    escape(each.label),
                    self._amount(each),
                    numbers.cents(each.cents),
                ]
                for each in report.billed
            ]
            head = ["peaks.charge", "report.period", "report.billed", "peaks.amount"]
            parts.append(_table([self.say(key) for key in head], rows, figures=2))
        rows = [
            [numbers.moment(each.start), numbers.power(each.mean_w), numbers.power(each.without_w)]
            for each in report.highest
        ]
        head = ["peaks.when", "peaks.peak", "peaks.without"]
        parts.append(f"<h3>{self.say('report.highest_quarters')}</h3>")
        parts.append(_table([self.say(key) for key in head], rows, figures=2))
        return self._section("report.peaks_by_day", *parts)

    def _billed_line(self) -> tuple[str, float] | None:
        billed = [each.billed for each in self.report.billed if self._unit(each) == "kW"]
        return (self.plain("report.billed"), max(billed)) if billed else None

    def _unit(self, billed: Billed) -> str:
        return self.units.get(billed.name, "kW")

    def _amount(self, billed: Billed) -> str:
        return f"{self.numbers.number(billed.billed, 2)} {escape(self._unit(billed))}"

    def _story(self, story: PostMortem) -> str:
        numbers = self.numbers

        def kw(value: float | None) -> str:
            return NOTHING if value is None else numbers.power(1000.0 * value)

        by_slot = f"{story.charge} {story.slot}"
        name = by_slot if by_slot in self.units else story.charge
        unit = self.units.get(name, "kW")
        lead = self.say(
            "peaks.story",
            power=kw(story.mean_kw),
            **{"from": numbers.moment(story.start), "until": numbers.clock(story.end)},
        )
        cost = self.say(
            "peaks.story_cost",
            charge=name,
            period=story.period,
            billed=f"{numbers.number(story.billed, 2)} {unit}",
            cost=numbers.money(story.cost),
        )
        rows = [
            [
                escape(self.report.names.get(part.asset_id, part.asset_id))
                if part.asset_id
                else self.say("common.unmetered"),
                kw(part.power_kw),
                kw(part.usual_kw),
                kw(part.above_kw),
            ]
            for part in story.parts
        ]
        head = [self.say(f"peaks.{key}") for key in ("branch", "drew", "usual", "above")]
        helped = (
            ""
            if story.more_kw <= 0.0
            else "<p>"
            + self.say(
                "peaks.helped",
                level=kw(story.level_kw),
                power=kw(story.more_kw),
                energy=numbers.energy(1000.0 * story.more_kwh),
                saves=numbers.money(story.avoidable),
            )
            + "</p>"
        )
        return self._section(
            "heading.culprit",
            f"<p><b>{lead}</b></p><p class='muted'>{cost}</p>",
            _table(head, rows, figures=3),
            f"<p>{self.say(f'battery_cause.{story.battery}')}</p>",
            helped,
        )

    def _shape(self) -> str:
        report, numbers = self.report, self.numbers
        parts = []
        if report.duration_w:
            curves = [("peaks.with", "grid", report.duration_w)]
            if report.duration_without_w != report.duration_w:
                curves.insert(0, ("peaks.without", "without", report.duration_without_w))
            rows = [
                Row(name=self.plain(key), colour=colour, values=[w / 1000.0 for w in powers])
                for key, colour, powers in curves
            ]
            quarters = ["0 %", "25 %", "50 %", "75 %", "100 %"]
            title = self.plain("heading.duration")
            chart = lines(title, rows, quarters, lambda value: f"{numbers.number(value)} kW")
            parts.append(f"<h3>{escape(title)}</h3>{chart}")
        if any(cell for row in report.heat for cell in row):
            title = self.plain("heading.heat")
            days = self.plain("report.weekdays").split()
            chart = heat_map(title, days, report.heat, numbers.power)
            parts.append(f"<h3>{escape(title)}</h3>{chart}")
        return self._section("report.shape", *parts) if parts else ""

    def _cluster(self, cluster: ClusterUse) -> str:
        total = self._use(cluster.total)
        parts = []
        for key, uses in (("compute.user", cluster.users), ("compute.job", cluster.jobs)):
            head = [
                self.say(key),
                *(self.say(f"compute.{each}") for each in ("energy", "cost", "co2")),
            ]
            rows = [[escape(use.name), *self._use(use)] for use in uses]
            parts.append(_table(head, [*rows, [self.say("compute.total"), *total]], figures=3))
        title = f"<p><b>{escape(cluster.name)}</b></p>"
        return self._section("report.jobs", title, *parts)

    def _use(self, use: User) -> list[str]:
        numbers = self.numbers
        return [numbers.energy(use.energy_wh), numbers.money(use.cost), numbers.mass(use.co2_g)]

    def _day_labels(self) -> list[str]:
        return [str(day.day.day) for day in self.report.days]

    def _section(self, title: str, *parts: str) -> str:
        return f"<section><h2>{self.say(title)}</h2>{''.join(parts)}</section>\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, figures: int) -> str:
    """Return a table whose last columns are figures; cells are escaped already."""
    first = len(head) - figures

    def line(tag: str, cells: Sequence[str]) -> str:
        written = (
            f'<{tag} class="figure">{cell}</{tag}>' if n >= first else f"<{tag}>{cell}</{tag}>"
            for n, cell in enumerate(cells)
        )
        return f"<tr>{''.join(written)}</tr>"

    body = "".join(line("td", row) for row in rows)
    return (
        f'<div class="scroll" tabindex="0"><table><thead>{line("th", head)}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _own_pv(day: Day) -> float | None:
    """Return the PV that was not fed in, kWh."""
    if day.pv_wh is None:
        return None
    return max(day.pv_wh - (day.export_wh or 0.0), 0.0) / 1000.0
