"""Where prices and carbon intensity come from, as tables.

A new source of a known sort is a new row: an action of another integration (what to call,
with what, where the rows are, their unit), or a service over HTTP (address, parameters,
reader). ``fetch`` does the rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import quote

from ..core.series import Unit
from .areas import AREAS, COUNTRIES
from .direct import read_awattar, read_energy_charts, read_energy_charts_co2, read_uk_carbon
from .entsoe import period_text, read_entsoe
from .quote import Quote

type Options = Mapping[str, Any]

MINUTE_S: Final = 60.0
QUARTER_S: Final = 900.0
HOUR_S: Final = 3600.0

AREA: Final = "area"
ATTRIBUTE: Final = "attribute"
ENTRY: Final = "config_entry"
ENTITIES: Final = "entities"
EXCHANGE_RATE: Final = "exchange_rate"
SOURCE: Final = "source"
TOKEN: Final = "token"  # noqa: S105 - the name of a field
UNIT: Final = "unit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is asked for: whole local days, the first one past the last in UTC too."""

    now: datetime
    start: datetime
    end: datetime
    days: tuple[date, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What all sources have."""

    id: str
    fields: tuple[str, ...] = ()
    """What the user is asked for it, in order."""
    optional: frozenset[str] = frozenset()
    """Those of the fields that may stay empty."""
    areas: tuple[str, ...] = ()
    """Areas to choose from; empty: any text."""
    every_s: float = HOUR_S
    """How often it is asked at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSource(Source):
    """An action of another integration that responds with rows. Its domain is the id."""

    action: str
    request: Callable[[Options, date, Span], dict[str, Any]]
    """The data of the call, for one day; whoever needs no day is called once."""
    daily: bool = True
    path: tuple[str, ...] = ()
    """Where the rows are in the response."""
    keyed: bool = False
    """Whether there is one list per area (or home) there."""
    unit: str = "currency/kWh"
    every_s: float = QUARTER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSource(Source):
    """A service that is asked over HTTP, without more than an address and a token."""

    name: str
    """What people call it."""
    address: Callable[[Options, Span], str]
    params: Callable[[Options, Span], dict[str, str]]
    read: Callable[[bytes], Quote]
    days_back: int = 7
    """How many days of the past the first answer brings, to know what is usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitySource(Source):
    """Entities with a series in their attributes."""

    of: Unit
    every_s: float = MINUTE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioSource(Source):
    """The prices of the simulated site."""

    every_s: float = MINUTE_S


type AnySource = ActionSource | HttpSource | EntitySource | ScenarioSource


def _table(*sources: AnySource) -> dict[str, AnySource]:
    return {source.id: source for source in sources}


ENTITY_FIELDS: Final = (ENTITIES, ATTRIBUTE, UNIT)

PRICE_SOURCES: Final = _table(
    ScenarioSource(id="scenario"),
    ActionSource(
        id="nordpool",
        action="get_prices_for_date",
        fields=(ENTRY, AREA),
        optional=frozenset({AREA}),
        request=lambda options, day, _: {
            "config_entry": options[ENTRY],
            "date": day.isoformat(),
            **({"areas": [options[AREA]]} if options.get(AREA) else {}),
        },
        keyed=True,
        unit="currency/MWh",
    ),
    ActionSource(
        id="tibber",
        action="get_prices",
        fields=(AREA,),
        optional=frozenset({AREA}),
        request=lambda _, __, span: {
            "start": span.start.isoformat(),
            "end": span.end.isoformat(),
        },
        daily=False,
        path=("prices",),
        keyed=True,
    ),
    ActionSource(
        id="easyenergy",
        action="get_energy_usage_prices",
        fields=(ENTRY,),
        request=lambda options, day, _: {
            "config_entry": options[ENTRY],
            "incl_vat": False,
            "granularity": "quarter",
            "price_type": "market",
            "start": day.isoformat(),
            "end": day.isoformat(),
        },
        path=("prices",),
        unit="EUR/kWh",
    ),
    ActionSource(
        id="energyzero",
        action="get_energy_prices",
        fields=(ENTRY,),
        request=lambda options, day, _: {
            "config_entry": options[ENTRY],
            "incl_vat": False,
            "interval": "quarter",
            "price_type": "market",
            "start": day.isoformat(),
            "end": day.isoformat(),
        },
        path=("prices",),
        unit="EUR/kWh",
    ),
    ActionSource(
        id="green_planet_energy",
        action="get_prices",
        fields=(ENTRY,),
        request=lambda options, _, __: {"config_entry_id": options[ENTRY], "hours": 24},
        daily=False,
        path=("prices",),
        unit="EUR/kWh",
    ),
    ActionSource(
        id="omie",
        action="get_prices_for_date",
        fields=(AREA,),
        areas=("es", "pt"),
        request=lambda options, day, _: {"date": day.isoformat(), "countries": [options[AREA]]},
        keyed=True,
        unit="EUR/kWh",
    ),
    EntitySource(
        id="entity",
        fields=ENTITY_FIELDS,
        optional=frozenset({ATTRIBUTE, UNIT}),
        of=Unit.PRICE,
    ),
    HttpSource(
        id="energy_charts",
        name="Energy-Charts",
        fields=(AREA,),
        areas=tuple(AREAS),
        address=lambda _, __: "https://api.energy-charts.info/price",
        params=lambda options, span: {
            "bzn": options[AREA],
            "start": span.days[0].isoformat(),
            "end": span.days[-1].isoformat(),
        },
        read=read_energy_charts,
    ),
    HttpSource(
        id="entsoe",
        name="ENTSO-E",
        fields=(AREA, TOKEN),
        areas=tuple(AREAS),
        address=lambda _, __: "https://web-api.tp.entsoe.eu/api",
        params=lambda options, span: {
            "securityToken": options[TOKEN],
            "documentType": "A44",
            "in_Domain": AREAS[options[AREA]],
            "out_Domain": AREAS[options[AREA]],
            "contract_MarketAgreement.type": "A01",
            "periodStart": period_text(span.start),
            "periodEnd": period_text(span.end),
        },
        read=read_entsoe,
    ),
    HttpSource(
        id="awattar",
        name="aWATTar",
        fields=(AREA,),
        areas=("at", "de"),
        address=lambda options, _: f"https://api.awattar.{options[AREA]}/v1/marketdata",
        params=lambda _, span: {
            "start": str(round(span.start.timestamp() * 1000)),
            "end": str(round(span.end.timestamp() * 1000)),
        },
        read=read_awattar,
    ),
)

CARBON_SOURCES: Final = _table(
    HttpSource(
        id="energy_charts",
        name="Energy-Charts",
        fields=(AREA,),
        areas=COUNTRIES,
        address=lambda _, __: "https://api.energy-charts.info/co2eq",
        params=lambda options, _: {"country": options[AREA]},
        read=read_energy_charts_co2,
    ),
    HttpSource(
        id="carbonintensity_uk",
        name="Carbon Intensity API",
        fields=(AREA,),
        optional=frozenset({AREA}),
        address=lambda options, span: (
            f"https://api.carbonintensity.org.uk{_uk_path(options.get(AREA), span.now)}"
        ),
        params=lambda _, __: {},
        read=read_uk_carbon,
    ),
    EntitySource(
        id="entity",
        fields=(ENTITIES, ATTRIBUTE),
        optional=frozenset({ATTRIBUTE}),
        of=Unit.CARBON,
    ),
)


def _uk_path(area: str | None, now: datetime) -> str:
    """Return the path of a forecast: national, of a region's number, or of a postcode."""
    begin = f"{now.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
    if not area:
        return f"/intensity/{begin}/fw48h"
    sort = "regionid" if area.isdecimal() else "postcode"
    return f"/regional/intensity/{begin}/fw48h/{sort}/{quote(area.strip().upper(), safe='')}"
