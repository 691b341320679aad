"""Scenario files: what ships, and what is said about mistakes."""

from dataclasses import replace
from datetime import date
from pathlib import Path

from hypothesis import given, strategies as st
import pytest
import yaml

from custom_components.computeload.core.tariff import preset_names
from custom_components.computeload.simulator.scenario import (
    SCENARIO_DIR,
    ScenarioError,
    load_scenario,
    parse_scenario,
    shipped_scenarios,
)

GOOD = yaml.safe_load((SCENARIO_DIR / "cfd-lab.yaml").read_text(encoding="utf-8"))


def changed(path: str, value: object) -> object:
    """Return the good file with one thing changed; "branches.0.idle_w" names the thing."""
    data = yaml.safe_load(yaml.safe_dump(GOOD))
    *parents, last = path.split(".")
    at = data
    for key in parents:
        at = at[int(key)] if isinstance(at, list) else at[key]
    if value is KeyError:
        del at[last]
    elif isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value
    return data


def test_both_promised_scenarios_ship_and_load() -> None:
    assert set(shipped_scenarios()) == {"cfd-lab", "climate-hpc"}
    for name in shipped_scenarios():
        scenario = load_scenario(name)
        assert scenario.id == name
        assert len(scenario.branches) >= 6
        assert scenario.target_peak_w < scenario.connection_limit_w


def test_the_climate_cluster_has_twelve_devices_of_five_kinds_and_prices() -> None:
    scenario = load_scenario("climate-hpc")
    assert len(scenario.wires) >= 12
    assert len({wire.device for wire in scenario.wires}) == 5
    prices = scenario.day_ahead(date(2026, 6, 15))
    assert len(prices) == 24
    assert prices[0][0].isoformat() == "2026-06-14T22:00:00+00:00"
    values = [price for _, price in prices]
    assert max(values) > 3 * min(values) > 0
    assert scenario.day_ahead(date(2026, 6, 15)) == prices
    assert scenario.day_ahead(date(2026, 6, 16))[0][1] != prices[0][1]


def test_the_days_of_the_clock_change_have_23_and_25_prices() -> None:
    scenario = load_scenario("climate-hpc")
    assert len(scenario.day_ahead(date(2026, 3, 29))) == 23
    assert len(scenario.day_ahead(date(2026, 10, 25))) == 25
    assert replace(scenario, prices=None).day_ahead(date(2026, 6, 15)) == ()


def test_a_shipped_lab_pays_for_its_peaks() -> None:
    for name in shipped_scenarios():
        assert load_scenario(name).tariff in preset_names()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("name", KeyError, "name: is missing"),
        ("site.latitude", 95, "site: latitude: 95 is outside -66..66"),
        ("site.latitude", float("nan"), "latitude: nan is outside"),
        ("site.timezone", "Mars/Olympus", "'Mars/Olympus' is not a time zone"),
        ("site.start_time", 560, "560 is not a text; put it in quotes"),
        ("site.start_time", "25:00", "'25:00' is not a time of day"),
        ("branches.0.idel_w", 5, "branches, node1: idel_w: this key is not known"),
        ("branches.0.idle_w", "many", "'many' is not a number"),
        ("branches.0.phase", 4, "phase: 4 is outside 1..3"),
        ("branches.1.id", "node1", "branches: 'node1' is there twice"),
        ("branches.5.follows", ["cooling"], "follows: 'cooling' is no branch with a load"),
        ("branches", [], "branches: there is none"),
        ("workloads.0.nodes", ["node9"], "nodes: 'node9' is no branch with a load"),
        ("workloads.0.lasts_h", [3, 1], "lasts_h: 3 must not be above 1"),
        ("workloads.0.lasts_h", 2, "lasts_h: 2 is not a pair"),
        ("workloads.0.width", [1, 9], "to: 9 is outside 1..3"),
        ("batteries.0.capacity_wh", 0, "capacity_wh: 0 is outside"),
        ("batteries.0.islanding", "maybe", "'maybe' is neither true nor false"),
        ("batteries.0.own_control", "greedy", "'greedy' is not one of idle, self_consumption"),
        ("devices.0.device", "toaster", "'toaster' is not a kind of device"),
        ("devices.1.serves", "cabinet7", "'cabinet7' is not among cabinet1, cabinet2"),
        ("devices.1.serves", ["cabinet1", "cabinet2"], "exactly one thing"),
        ("devices.0.serves", "node1", "exactly one meter must serve 'grid'"),
        ("devices.0.unit_id", 300, "unit_id: 300 is outside 1..247"),
        ("prices", {"hours": [0.1] * 23}, "there are 23 prices; a day needs 24"),
        ("prices", {"hours": ["dear"]}, "number 1: 'dear' is not a number"),
    ],
)
def test_a_mistake_is_named_with_its_place(path: str, value: object, said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        parse_scenario(changed(path, value), "x", "my.yaml")
    assert str(error.value).startswith("my.yaml")
    assert said in str(error.value)


def test_a_scenario_that_does_not_ship_is_answered_with_those_that_do() -> None:
    with pytest.raises(ScenarioError, match=r"no scenario 'moon'.*cfd-lab, climate-hpc"):
        load_scenario("moon")


@pytest.mark.parametrize(
    "text",
    ["", "- 1", "name: [", "a: 2026-99-99", "\x00", "[" * 3000, "name: &a [*a]"],
    ids=["empty", "list", "open", "no date", "control", "deep", "endless"],
)
def test_a_file_that_is_no_scenario_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"odd\.yaml"):
        load_scenario(file)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(
    path=st.sampled_from(
        [
            *GOOD,
            *(f"site.{key}" for key in GOOD["site"]),
            *(f"branches.5.{key}" for key in GOOD["branches"][5]),
            *(f"workloads.0.{key}" for key in GOOD["workloads"][0]),
            *(f"batteries.0.{key}" for key in GOOD["batteries"][0]),
            *(f"devices.4.{key}" for key in GOOD["devices"][4]),
            "branches.2",
            "pv.0.peak_w",
        ]
    ),
    value=ODD,
)
def test_whatever_stands_in_a_file_it_loads_or_is_explained(path: str, value: object) -> None:
    try:
        parse_scenario(changed(path, value), "x", "x.yaml")
    except ScenarioError as error:
        assert str(error).startswith("x.yaml")  # noqa: PT017 - either outcome is fine
