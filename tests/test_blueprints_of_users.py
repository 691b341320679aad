"""The blueprints for what computeload sees and leaves to the user."""

from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import Event, HomeAssistant, SupportsResponse, callback
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonValueType
import pytest
from pytest_homeassistant_custom_component.common import async_mock_service

from .automations import PRICE, SETPOINT, automate, go_on, home_fixture, later, say, setpoint  # noqa: F401 - a fixture

CARBON = "sensor.carbon"
RISK = "binary_sensor.risk"
MAINS = "binary_sensor.mains"
RUNTIME = "sensor.runtime"
HEADROOM = "sensor.headroom"
LOAD = "sensor.load"
BILLED = "sensor.billed"


# Work when power is cheap or green


def noting(word: str) -> list[dict[str, object]]:
    """Return actions that leave a mark: an event with a word."""
    return [{"event": "noted", "event_data": {"word": word}}]


@pytest.fixture(name="noted")
def noted_fixture(home: HomeAssistant) -> list[str]:
    """Return the words that were noted, in their order."""
    words: list[str] = []

    @callback
    def note(event: Event) -> None:
        words.append(event.data["word"])

    home.bus.async_listen("noted", note)
    return words


@pytest.mark.parametrize(
    "case",
    [
        (False, 0.05, 400, True),
        (False, 0.30, 80, True),
        (False, 0.30, 400, False),
        (True, 0.05, 400, False),
        (True, 0.05, 80, True),
        (False, "unavailable", "unknown", False),
    ],
)
async def test_work_runs_while_power_is_cheap_or_green(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str], case: tuple[object, ...]
) -> None:
    both, price, carbon, runs = case
    say(home, PRICE, 0.3, "EUR/kWh")
    say(home, CARBON, 400, "g/kWh")
    await automate(
        home,
        "cheap_or_green_work",
        {
            "price": PRICE,
            "carbon": CARBON,
            "both": both,
            "start": noting("start"),
            "end": noting("end"),
        },
    )
    say(home, PRICE, price, "EUR/kWh")
    say(home, CARBON, carbon, "g/kWh")
    await later(home, freezer, 61)
    assert noted == (["start"] if runs else [])
    say(home, PRICE, 0.3, "EUR/kWh")
    say(home, CARBON, 400, "g/kWh")
    await later(home, freezer, 61)
    assert noted == (["start", "end"] if runs else [])


async def test_work_that_found_no_good_hour_starts_at_the_latest_time(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    freezer.move_to("2026-06-15T10:00:00+00:00")
    say(home, PRICE, 0.3, "EUR/kWh")
    at = dt_util.now() + timedelta(hours=1)
    await automate(
        home,
        "cheap_or_green_work",
        {"price": PRICE, "start": noting("start"), "latest": at.strftime("%H:%M:%S")},
    )
    await later(home, freezer, 3_599)
    assert noted == []
    await later(home, freezer, 2)
    assert noted == ["start"]


# Hold compute


async def test_compute_is_held_while_a_peak_is_at_risk_and_for_a_while_after(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    home.states.async_set(RISK, "off")
    inputs: dict[str, object] = {"risk": RISK, "hold": noting("hold"), "let_go": noting("let go")}
    await automate(home, "hold_compute", inputs)
    home.states.async_set(RISK, "on")
    await go_on(home, freezer, 20)
    assert noted == []
    await go_on(home, freezer, 11)
    assert noted == ["hold"]
    home.states.async_set(RISK, "off")
    await go_on(home, freezer, 600)
    assert noted == ["hold"]
    await go_on(home, freezer, 301)
    assert noted == ["hold", "let go"]


async def test_compute_comes_back_after_the_longest_time(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    home.states.async_set(RISK, "off")
    inputs: dict[str, object] = {
        "risk": RISK,
        "hold": noting("hold"),
        "let_go": noting("let go"),
        "longest_min": 60,
    }
    await automate(home, "hold_compute", inputs)
    home.states.async_set(RISK, "on")
    await go_on(home, freezer, 31)
    await go_on(home, freezer, 3_601)
    assert noted == ["hold", "let go"]


async def test_a_danger_that_ends_while_compute_is_being_held_does_not_leave_it_held(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    home.states.async_set(RISK, "off")
    slow: list[dict[str, object]] = [*noting("hold"), {"delay": {"minutes": 5}}]
    inputs: dict[str, object] = {"risk": RISK, "hold": slow, "let_go": noting("let go")}
    await automate(home, "hold_compute", inputs)
    home.states.async_set(RISK, "on")
    await go_on(home, freezer, 31)
    home.states.async_set(RISK, "off")
    await go_on(home, freezer, 301)
    assert noted == ["hold"]
    await go_on(home, freezer, 900)
    await go_on(home, freezer, 60)
    assert noted == ["hold", "let go"]


# Outage


OUTAGE: dict[str, object] = {
    "grid": MAINS,
    "runtime": RUNTIME,
    "first": noting("first"),
    "second": noting("second"),
    "third": noting("third"),
    "back": noting("back"),
}


async def test_an_outage_goes_through_its_stages_once_each(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    home.states.async_set(MAINS, "on")
    say(home, RUNTIME, 90, "min")
    await automate(home, "outage_cascade", OUTAGE)
    home.states.async_set(MAINS, "off")
    await go_on(home, freezer, 11)
    for minutes in (60, 29, 28, 14, 4, 3):
        say(home, RUNTIME, minutes, "min")
        await go_on(home, freezer)
    assert noted == ["first", "second", "third"]
    home.states.async_set(MAINS, "on")
    await go_on(home, freezer, 121)
    await go_on(home, freezer, 60)
    assert noted == ["first", "second", "third", "back"]


async def test_a_grid_that_returns_ends_the_retreat_and_a_dip_begins_none(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    home.states.async_set(MAINS, "on")
    say(home, RUNTIME, 3, "min")
    await automate(home, "outage_cascade", OUTAGE)
    home.states.async_set(MAINS, "off")
    await go_on(home, freezer, 5)
    home.states.async_set(MAINS, "on")
    await go_on(home, freezer, 20)
    assert noted == []
    say(home, RUNTIME, 20, "min")
    home.states.async_set(MAINS, "off")
    await go_on(home, freezer, 11)
    home.states.async_set(MAINS, "on")
    await go_on(home, freezer, 121)
    await go_on(home, freezer, 60)
    say(home, RUNTIME, 2, "min")
    await go_on(home, freezer)
    assert noted == ["first", "back"]


async def test_a_time_left_in_hours_is_understood(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    home.states.async_set(MAINS, "on")
    say(home, RUNTIME, 2, "h")
    await automate(home, "outage_cascade", OUTAGE)
    home.states.async_set(MAINS, "off")
    await go_on(home, freezer, 11)
    await go_on(home, freezer, 60)
    assert noted == []
    say(home, RUNTIME, 0.4, "h")
    await go_on(home, freezer)
    assert noted == ["first"]
    home.states.async_set(MAINS, "on")
    await go_on(home, freezer, 121)
    await go_on(home, freezer, 60)


async def test_a_time_left_that_nobody_knows_ends_in_all_stages(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    home.states.async_set(MAINS, "on")
    say(home, RUNTIME, "unavailable", "min")
    await automate(home, "outage_cascade", OUTAGE)
    home.states.async_set(MAINS, "off")
    await go_on(home, freezer, 11)
    await go_on(home, freezer, 600)
    assert noted == []
    await go_on(home, freezer, 360)
    await go_on(home, freezer, 60)
    assert noted == ["first", "second", "third"]
    home.states.async_set(MAINS, "on")
    await go_on(home, freezer, 121)
    await go_on(home, freezer, 60)


async def test_an_outage_that_began_before_is_taken_up(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, noted: list[str]
) -> None:
    home.states.async_set(MAINS, "off")
    say(home, RUNTIME, 20, "min")
    await automate(home, "outage_cascade", OUTAGE)
    home.bus.async_fire("automation_reloaded")
    await go_on(home, freezer, 1)
    assert noted == ["first"]
    home.states.async_set(MAINS, "on")
    await go_on(home, freezer, 121)
    await go_on(home, freezer, 60)


# Load from headroom


CHARGER: dict[str, object] = {
    "headroom": HEADROOM,
    "setpoint": SETPOINT,
    "power": LOAD,
    "volts": 230,
    "phases": 3,
    "least": 6,
    "most": 16,
}


@pytest.mark.parametrize(
    ("headroom_kw", "power_kw", "amperes"),
    [
        (8.0, 0.0, 10.8),
        (40.0, 0.0, 16.0),
        (3.0, 0.0, 0.0),
        (-4.0, 11.0, 9.4),
        (-12.0, 11.0, 0.0),
        ("unavailable", 11.0, 0.0),
    ],
)
async def test_a_charger_takes_the_room_that_is_left(
    home: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    headroom_kw: object,
    power_kw: float,
    amperes: float,
) -> None:
    say(home, HEADROOM, 0, "kW")
    say(home, LOAD, power_kw, "kW")
    await automate(home, "load_from_headroom", CHARGER)
    say(home, HEADROOM, headroom_kw, "kW")
    await later(home, freezer, 61)
    await later(home, freezer, 61)
    assert setpoint(home) == pytest.approx(amperes)


async def test_a_charger_is_stopped_when_home_assistant_stops(
    home: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    say(home, HEADROOM, 0, "kW")
    say(home, LOAD, 0, "kW")
    await automate(home, "load_from_headroom", CHARGER)
    say(home, HEADROOM, 8, "kW")
    await later(home, freezer, 61)
    assert setpoint(home) > 0
    await home.async_stop()
    assert setpoint(home) == 0


# Messages


MESSAGES: dict[str, object] = {
    "risk": RISK,
    "billed": BILLED,
    "saved_today": "sensor.saved_today",
    "saved_month": "sensor.saved_month",
    "bill_month": "sensor.bill_month",
    "notify": "notify.phone",
}


async def test_messages_tell_of_peaks_and_who_made_them(
    home: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    sent = async_mock_service(home, "notify", "send_message")
    parts: list[JsonValueType] = [
        {"name": "Rack A", "above_usual_kw": 4.0},
        {"name": "Rack B", "above_usual_kw": 9.0},
        {"name": None, "above_usual_kw": 12.0},
    ]
    story: dict[str, JsonValueType] = {"peaks": [{"parts": parts, "avoided_by": {"more_kw": 7.25}}]}
    async_mock_service(
        home,
        "computeload",
        "explain_peak",
        response=story,
        supports_response=SupportsResponse.ONLY,
    )
    home.states.async_set(RISK, "off")
    say(home, BILLED, 40.0, "kW")
    await automate(home, "notify", MESSAGES)
    home.states.async_set(RISK, "on")
    await later(home, freezer, 31)
    assert [call.data["title"] for call in sent] == ["Peak at risk"]
    assert "40.0 kW" in sent[0].data["message"]
    say(home, BILLED, 40.2, "kW")
    await home.async_block_till_done()
    assert len(sent) == 1
    say(home, BILLED, 48.0, "kW")
    await home.async_block_till_done()
    message = sent[1].data["message"]
    assert "48.0 kW" in message
    assert "Rack B" in message
    assert "7.2 kW more from a battery" in message


@pytest.mark.parametrize(
    ("day", "titles"),
    [("15", ["Energy of today"]), ("30", ["Energy of this month"])],
)
async def test_reports_are_sent_every_day_and_on_the_last_of_the_month(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, day: str, titles: list[str]
) -> None:
    await home.config.async_set_time_zone("UTC")
    freezer.move_to(f"2026-06-{day}T23:54:00+00:00")
    sent = async_mock_service(home, "notify", "send_message")
    for key in ("saved_today", "saved_month", "bill_month"):
        say(home, f"sensor.{key}", 12.5, "EUR")
    say(home, BILLED, 40.0, "kW")
    await automate(home, "notify", MESSAGES)
    await later(home, freezer, 61)
    assert [call.data["title"] for call in sent] == titles
    assert "12.5 EUR" in sent[0].data["message"]
