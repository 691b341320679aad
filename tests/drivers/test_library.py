"""Every shipped profile, held to a table of facts that it was not made from."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from custom_components.computeload.core.model import Quantity, Value
from custom_components.computeload.drivers.base import Scope
from custom_components.computeload.drivers.spec import Profile

from .fact_tables import TABLES, Fact, FactTable, served_table
from .servers import LIBRARY

REPOSITORY = Path(__file__).parents[2]
SHARED = Path(os.environ.get("COMPUTELOAD_SHARED", REPOSITORY.parent / "shared")) / "devices"

SIGNS = {
    "import_positive": 1.0,
    "export_positive": -1.0,
    "discharge_positive": 1.0,
    "charge_positive": -1.0,
    "generation_positive": 1.0,
    "consumption_positive": 1.0,
    "": 1.0,
}
"""What a device calls positive, and what that makes of it in our signs."""
UNITS = {
    "kW": 1e3,
    "kWh": 1e3,
    "MWh": 1e6,
    "kVA": 1e3,
    "kvar": 1e3,
    "%": 0.01,
    "mA": 1e-3,
    "Pct": 0.01,
}
STORED_AS = {"bitfield16": "uint16", "bitfield32": "uint32", "enum16": "uint16", "acc32": "uint32"}
SIGNED = frozenset(
    {
        Quantity.POWER_W,
        Quantity.POWER_L1_W,
        Quantity.POWER_L2_W,
        Quantity.POWER_L3_W,
        Quantity.SETPOINT_W,
    }
)

IN_WORDS = {("openems_fems", "second_component"), ("pixii_powershaper", "sunspec_mark")}
"""Facts that the collection states in a sentence, without an address of their own."""

each_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())


def same(value: Value) -> object:
    """Return what a read value is compared with; floats lose some digits in registers."""
    return value if isinstance(value, str) else pytest.approx(value, rel=2e-6, abs=1e-9)


@pytest.mark.parametrize("profile", LIBRARY.profiles.values(), ids=LIBRARY.profiles.keys())
def test_every_profile_has_a_table_of_facts(profile: Profile) -> None:
    tables = [table for table in TABLES.values() if table.profile == profile.id]
    assert tables, f"tests/drivers/facts/{profile.id}.yaml is missing"
    assert all(table.kind == profile.kind for table in tables)
    told = {key for table in tables for key in table.expected()}
    told |= {fact_key for table in tables for fact in table.facts for fact_key in fact.means}
    reported = {str(key) for key in profile.quantities | profile.channel_quantities}
    assert reported <= told, "every quantity of a profile stands in one of its tables"


@pytest.mark.usefixtures("socket_enabled")
@pytest.mark.parametrize("pymodbus", [False, True], ids=["tmodbus", "pymodbus"])
@each_table
async def test_a_device_is_read_as_the_facts_say(table: FactTable, *, pymodbus: bool) -> None:
    profile = LIBRARY.profiles[table.profile]
    async with served_table(table, profile, pymodbus=pymodbus) as served:
        identity = await served.device.identify()
        reading = await served.device.read(Scope.FULL)
        again = await served.device.read(Scope.FULL)
        fast = await served.device.read(Scope.FAST)
    assert dict(reading.values) == {k: same(v) for k, v in table.expected().items()}
    assert again.values == reading.values
    assert len(reading.channels) == table.channels
    for channel, values in enumerate(reading.channels):
        assert dict(values) == {k: same(v) for k, v in table.expected(channel).items()}
    assert fast.values.items() <= reading.values.items()
    assert fast.number(Quantity.POWER_W) == same(table.expected()[Quantity.POWER_W])
    for key, value in table.identity.items():
        assert getattr(identity, key) == value


@pytest.mark.usefixtures("socket_enabled")
@each_table
async def test_a_value_that_is_not_available_is_absent(table: FactTable) -> None:
    marked = [fact for fact in table.facts if fact.nan is not None and fact.means]
    if not marked:
        return
    async with served_table(table, LIBRARY.profiles[table.profile]) as served:
        for fact in marked:
            assert fact.nan is not None
            bits = 16 * len(fact.registers())
            wraps = fact.type.startswith("int") and fact.nan >= 1 << bits - 1
            served.put(fact, fact.nan - (1 << bits) if wraps else fact.nan)
            values = (await served.device.read(Scope.FULL)).values
            others = {key for other in table.facts if other is not fact for key in other.means}
            gone = fact.means.keys() - others - table.made.keys()
            assert not gone & values.keys(), fact.name
            served.put(fact)


@pytest.mark.usefixtures("socket_enabled")
@pytest.mark.parametrize(
    "table",
    [pytest.param(table, id=name) for name, table in TABLES.items() if table.orders],
)
async def test_commands_go_over_the_wire_as_the_facts_say(table: FactTable) -> None:
    async with served_table(table, LIBRARY.profiles[table.profile]) as served:
        for order in table.orders:
            served.writes.clear()
            if order.command is None:
                await served.device.release()
            else:
                await served.device.command(order.command)
            assert tuple(served.writes) == order.writes, order.command


@pytest.mark.parametrize("profile", LIBRARY.profiles.values(), ids=LIBRARY.profiles.keys())
def test_every_profile_with_control_has_commands_in_a_table(profile: Profile) -> None:
    orders = [o for table in TABLES.values() if table.profile == profile.id for o in table.orders]
    if profile.control is None:
        assert not orders
        return
    assert any(order.command is None for order in orders), "a release"
    assert any(order.command is not None and order.command > 0 for order in orders)
    if profile.kind == "battery":
        assert any(order.command is not None and order.command < 0 for order in orders)


@each_table
def test_what_a_table_expects_follows_from_its_own_facts(table: FactTable) -> None:
    for fact in table.facts:
        for key, value in fact.means.items():
            if isinstance(value, str) or not isinstance(fact.raw, int | float):
                continue
            assert key not in SIGNED or fact.sign, f"{fact.name}: a power says its sign"
            physical = (fact.raw + fact.offset) * fact.scale * UNITS.get(fact.unit, 1.0)
            if key != Quantity.GRID_PRESENT:
                assert physical * SIGNS[fact.sign] == same(value), fact.name


@each_table
def test_what_is_left_out_has_a_reason(table: FactTable) -> None:
    read = {fact.name for fact in table.facts}
    for name, reason in table.left_out.items():
        assert name not in read
        assert len(reason.split()) > 1, name


@each_table
def test_a_table_agrees_with_the_collected_facts(table: FactTable) -> None:
    """Optional: the collection does not come with the repository."""
    if not SHARED.is_dir():
        pytest.skip("the collected facts are not here; COMPUTELOAD_SHARED names their folder")
    document: dict[str, Any] = yaml.safe_load(
        (SHARED / f"{table.shared}.yaml").read_text(encoding="utf-8")
    )
    rows: list[dict[str, Any]] = document["registers"]
    controls = document.get("controls")
    if isinstance(controls, dict):
        rows = rows + controls.get("registers", [])
    repeats = document.get("repeats") or []
    parts = [part for repeat in repeats for part in repeat.get("fields", ())]
    known = {row["name"] for row in rows} | {part["name"] for part in parts if table.channels}
    for fact in table.facts:
        same_name = [row for row in rows if row["name"] == fact.name]
        if fact.channel is not None:
            same_name = [row for row in _of_channel(repeats[0], fact) if row["name"] == fact.name]
        if same_name:
            assert any(_agree(fact, row) for row in same_name), (fact.name, same_name)
        elif fact.model is None and (table.id, fact.name) not in IN_WORDS:
            assert fact.at in _addresses(document), (fact.name, fact.at)
    variants = [other for other in TABLES.values() if other.shared == table.shared]
    told = {fact.name for other in variants for fact in other.facts}
    told = told.union(*(other.left_out for other in variants))
    assert known <= told, "every known register is read, or left out with a reason"


def _addresses(content: object) -> set[int]:
    """Return all addresses that stand anywhere in a collected file."""
    if isinstance(content, dict):
        here = {content[key] for key in ("addr", "sf_addr", "hi_addr") if key in content}
        return here.union(*(_addresses(part) for part in content.values()))
    return (
        set().union(*(_addresses(part) for part in content)) if isinstance(content, list) else set()
    )


def _of_channel(repeat: dict[str, Any], fact: Fact) -> list[dict[str, Any]]:
    """Return the rows of the channel that a fact belongs to."""
    assert fact.channel is not None
    base, channel = repeat["base"], fact.channel
    if isinstance(base, int):
        start = base + repeat["stride"] * channel
    else:  # a rule in words, the UMG 801's
        start = 19012 if channel == 0 else 19200 + 100 * (channel - 1)
    return [{**row, "addr": start + row["off"]} for row in repeat["fields"]]


def _agree(fact: Fact, row: dict[str, Any]) -> bool:
    """Whether a fact says the same as the collection does."""
    scale = row.get("scale", 1.0)
    return (
        fact.at == row.get("addr", row.get("off"))
        and str(fact.model) == str(row.get("model"))
        and fact.type == STORED_AS.get(row["type"], row["type"])
        and (row.get("fc") is None or fact.space == {3: "holding", 4: "input"}[row["fc"]])
        and (fact.type.endswith("16") or fact.words == row.get("words", "big"))
        and (isinstance(scale, str) or fact.scale == scale)
        and fact.offset == row.get("offset", 0)
        and fact.scale_at == row.get("sf", row.get("sf_addr"))
        and fact.unit == row.get("unit", "").replace("°", "")
        and (not fact.sign or SIGNS[fact.sign] == SIGNS.get(row.get("sign", ""), SIGNS[fact.sign]))
        and (fact.nan is None or row.get("nan") is None or fact.nan == int(str(row["nan"]), 0))
    )


@pytest.mark.usefixtures("socket_enabled")
@pytest.mark.parametrize("raw", [5002, 50020], ids=["hundredths", "thousandths"])
async def test_a_countis_tells_the_frequency_in_one_of_two_units(raw: int) -> None:
    table = TABLES["socomec_countis"]
    (frequency,) = (fact for fact in table.facts if fact.name == "frequency")
    async with served_table(table, LIBRARY.profiles[table.profile]) as served:
        served.put(frequency, raw)
        await served.device.identify()
        reading = await served.device.read(Scope.FULL)
    assert reading.number(Quantity.FREQUENCY_HZ) == pytest.approx(50.02)
