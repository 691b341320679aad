"""What control saved: the running spans, the months before, and the days without control."""

from typing import Any, Final

from homeassistant.core import HomeAssistant

from ..const import CONF_CURRENCY
from ..coordinator import ComputeLoadConfigEntry
from ..core.savings import Amounts, Statement
from ..savings import SavingsData
from .base import Feed, Payload, unix_ms

_CENTS: Final = 100.0


def savings_payload(data: SavingsData, currency: str) -> Payload:
    """Return the accounts in the site's currency; a span without any is None."""
    return {
        "currency": currency,
        "today": _account(data.today),
        "month": _account(data.month),
        "year": _account(data.year),
        "months": [
            {"month": label, **(_account(each) or {})} for label, each in data.months.items()
        ],
        "shadow_day": _account(data.shadow_day),
        "shadow_month": _account(data.shadow_month),
    }


def _account(statement: Statement | None) -> dict[str, Any] | None:
    if statement is None:
        return None
    saved = statement.saved
    return {
        "since": unix_ms(statement.since),
        "until": unix_ms(statement.until),
        "bill": _amounts(statement.bill),
        "without": _amounts(statement.without),
        "saved": {
            "total": saved.total / _CENTS,
            "demand": saved.demand / _CENTS,
            "arbitrage": saved.arbitrage / _CENTS,
            "pv": saved.pv / _CENTS,
            "wear": saved.wear / _CENTS,
        },
        "has_money": statement.has_money,
        "co2_saved_g": statement.co2_saved_g,
        "coverage": statement.coverage,
    }


def _amounts(amounts: Amounts) -> dict[str, float]:
    return {
        "total": amounts.total / _CENTS,
        "energy": amounts.energy / _CENTS,
        "demand": amounts.demand / _CENTS,
    }


async def _async_payload(_: HomeAssistant, entry: ComputeLoadConfigEntry) -> Payload:
    return savings_payload(entry.runtime_data.savings.data, entry.data[CONF_CURRENCY])


SAVINGS: Final = Feed(
    name="savings",
    payload=_async_payload,
    listen=lambda _, entry, news: entry.runtime_data.savings.async_add_listener(news),
)
