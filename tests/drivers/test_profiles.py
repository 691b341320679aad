"""What profiles may say, and what their authors are told when they say something else."""

import ast
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings, strategies as st
import pytest
import yaml

from custom_components.computeload.core.model import TEXT_QUANTITIES, AssetKind, Quantity
from custom_components.computeload.drivers.profile import SHIPPED, load_library
from custom_components.computeload.drivers.schema import read_profile
from custom_components.computeload.drivers.spec import Profile

from .servers import HEAD, LIBRARY, contract, head_lines, read, shipped, write_files

METER = """registers:
  power_w: {at: 0, type: int16, sign: import_positive}
"""
BATTERY = f"""registers:
  power_w: {{at: 0, type: int16, sign: discharge_positive}}
control:
  contract:
{contract()}
  setpoint:
    - write: {{at: 1, type: int16, power: discharge_positive}}
  release:
    - write: {{at: 1, type: int16, value: 0}}
"""


def test_all_shipped_profiles_are_valid() -> None:
    assert LIBRARY.errors == ()
    assert LIBRARY.profiles.keys() == {path.stem for path in SHIPPED.glob("*/*.yaml")}
    for name, profile in LIBRARY.profiles.items():
        assert (SHIPPED / profile.kind / f"{name}.yaml").exists()
        assert profile.tested_on
        assert profile.sources


def test_the_first_devices_are_there_and_say_what_they_are() -> None:
    meter = shipped("eastron_sdm630")
    assert (meter.kind, meter.link.port, meter.link.unit_id) == (AssetKind.METER, 502, 1)
    assert meter.contract is None
    assert Quantity.ENERGY_EXPORT_WH in meter.quantities
    battery = shipped("sunspec_battery")
    assert battery.is_sunspec
    assert battery.contract
    assert (battery.contract.lapse_s, battery.contract.heartbeat_s) == (60.0, 20.0)
    load = shipped("socomec_digiware")
    assert load.channel_count == 6
    assert load.quantities == {Quantity.POWER_W, Quantity.ENERGY_IMPORT_WH}
    assert load.channel_quantities >= {Quantity.POWER_W, Quantity.POWER_L1_W}


WITHOUT_A_LAPSE = {
    "ferroamp_energyhub",
    "sma_hybrid",
    "fronius_gen24",
    "goodwe_et",
    "sigenergy_sigenstor",
    "sma_sunny_island",
    "sungrow_sh",
    "sunspec_storage",
}
"""Devices that may hold a command for ever; the user must accept that by name."""
STORES_COMMANDS = {"goodwe_et", "sigenergy_sigenstor", "sungrow_sh"}
"""Devices whose commands are, or may be, stored in flash."""
HIDES_ITS_COMMAND = {
    *("kostal_plenticore", "openems_fems", "pixii_powershaper"),
    *("sma_hybrid", "sma_sunny_island"),
}
"""Devices of which nothing shows whether they follow a command now."""


@pytest.mark.parametrize("profile", LIBRARY.profiles.values(), ids=LIBRARY.profiles.keys())
def test_a_controlled_profile_can_be_given_back_and_says_when_it_lapses(profile: Profile) -> None:
    control = profile.control
    if control is None:
        assert profile.contract is None
        return
    assert control.setpoint
    assert control.release
    contract = control.contract
    assert (contract.lapse_s is None) == (profile.id in WITHOUT_A_LAPSE)
    assert contract.persistent == (profile.id in STORES_COMMANDS)
    if contract.lapse_s:
        assert contract.heartbeat_s
        assert contract.heartbeat_s <= contract.lapse_s / 2
    if contract.persistent:
        assert contract.heartbeat_s is None
        assert contract.min_interval_s >= 10
    held = {AssetKind.BATTERY: Quantity.SETPOINT_W, AssetKind.PV: Quantity.POWER_LIMIT_W}[
        profile.kind
    ]
    assert (held not in profile.quantities) == (profile.id in HIDES_ITS_COMMAND)


def test_a_doubt_keeps_a_device_from_being_commanded_until_its_user_confirms() -> None:
    doubted = {p.id for p in LIBRARY.profiles.values() if p.contract and p.contract.doubt}
    assert doubted == {
        *("ferroamp_energyhub", "fox_ess_h3_smart", "kaco_gridsave"),
        *("pixii_powershaper", "sma_hybrid"),
    }
    contract = LIBRARY.profiles["kaco_gridsave"].contract
    assert contract
    assert contract.lapse_s
    assert contract.needs_consent
    assert not replace(contract, doubt="").needs_consent


def test_a_profile_of_the_user_replaces_a_shipped_one(tmp_path: Path) -> None:
    own = write_files(
        tmp_path, {"meter/eastron_sdm630.yaml": HEAD.replace("KIND", "meter") + METER}
    )
    library = load_library([SHIPPED, own])
    assert library.profiles["eastron_sdm630"].title == "A device"
    assert len(library.profiles) == len(LIBRARY.profiles)


def test_a_broken_file_costs_nothing_but_itself(tmp_path: Path) -> None:
    own = write_files(
        tmp_path,
        {
            "meter/good.yaml": HEAD.replace("KIND", "meter") + METER,
            "meter/bad.yaml": HEAD.replace("KIND", "meter") + METER.replace("int16", "flaot32"),
            "meter/Odd-Name.yaml": HEAD.replace("KIND", "meter") + METER,
        },
    )
    (tmp_path / "meter" / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    library = load_library([own])
    assert list(library.profiles) == ["good"]
    assert [error.file.split("/", 1)[1] for error in library.errors] == [
        "meter/Odd-Name.yaml",
        "meter/bad.yaml",
        "meter/binary.yaml",
    ]
    assert str(library.errors[1]).endswith(
        "meter/bad.yaml:9: registers.power_w.type: 'flaot32' is not a type; one of int16, uint16, "
        "int32, uint32, int64, uint64, float32, float64, string"
    )


WRONG = {
    "an unknown key": (METER + "regsters: {}\n", 3, "regsters", "did you mean 'registers'?"),
    "a missing section": ("link: {}\n", None, "", "'registers' is missing"),
    "an unknown quantity": (METER + "  powr_w: {at: 1}\n", 3, "registers.powr_w", "not a quantity"),
    "a power without a sign": (
        "registers:\n  power_w: {at: 0, type: int16}\n",
        2,
        "registers.power_w",
        "'sign' is missing: what the device calls positive, one of import_positive",
    ),
    "a sign of another kind": (
        METER.replace("import_positive", "charge_positive"),
        2,
        "registers.power_w.sign",
        "not a sign of a meter; one of import_positive, export_positive",
    ),
    "an address beyond the map": (
        METER + "  soc: {at: 65535, type: uint32}\n",
        3,
        "registers.soc.at",
        "beyond register 65535",
    ),
    "a huge number": (
        METER + "  soc: {at: 99999999999999999999, type: uint16}\n",
        3,
        "registers.soc.at",
        "outside 0 to 65535",
    ),
    "a key that stands twice": (METER + METER, 3, "registers", "stands here twice"),
    "a wrong unit": (
        METER + "  soc: {at: 1, type: uint16, unit: kWh}\n",
        3,
        "registers.soc.unit",
        "'kWh' is not a unit of this quantity; one of 1, %",
    ),
    "a word where a number belongs": (
        METER + "  soc: {at: ten, type: uint16}\n",
        3,
        "registers.soc.at",
        "'ten' is not a whole number",
    ),
    "a number for a text": (
        METER + "  state: {at: 1, type: uint16}\n",
        3,
        "registers.state",
        "give 'values' or 'bits'",
    ),
    "an unknown helper": (
        METER + "  soc: {first: [a_soc]}\n",
        3,
        "registers.soc",
        "made from 'a_soc', which is not defined",
    ),
    "a value made from itself": (
        METER + "  soc: {first: [soh]}\n  soh: {first: [soc]}\n",
        None,
        "",
        "made from itself",
    ),
    "a SunSpec point without models": (
        METER + "  soc: {point: battery.SoC}\n",
        3,
        "registers.soc.point",
        "'battery' is not a name under 'sunspec'",
    ),
    "a SunSpec point that does not exist": (
        METER + "  soc: {point: battery.Soc}\nsunspec: {battery: 802}\n",
        3,
        "registers.soc.point",
        "'Soc' is not a point of model 802; one of",
    ),
    "a SunSpec model without a table": (
        METER + "  soc: {point: battery.SoC}\nsunspec: {battery: 64999}\n",
        3,
        "registers.soc.point",
        "model 64999 are not known",
    ),
    "an alias": (
        METER + "  soc: &x {at: 1, type: uint16}\n  soh: *x\n",
        None,
        "registers.soh",
        "aliases are not used",
    ),
    "a register outside the blocks": (
        METER + "link: {ranges: {holding: [[1, 9]]}}\n",
        2,
        "registers.power_w",
        "register 0 lies outside link.ranges.holding",
    ),
    "a register of a SunSpec model that has no name": (
        METER + "  frequency_hz: {at: 2, model: grid, type: int16}\n",
        3,
        "registers.frequency_hz.model",
        "'grid' is not a name under 'sunspec'",
    ),
    "a control section of a meter": (
        METER + "control: {}\n",
        3,
        "control",
        "a meter is only read",
    ),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
def test_a_mistake_is_named_with_its_line_and_field(
    case: tuple[str, int | None, str, str],
) -> None:
    body, line, field, message = case
    profile, errors = read(body)
    assert profile is None
    assert any(message in error.message for error in errors), errors
    error = next(error for error in errors if message in error.message)
    assert error.file == "profiles/test.yaml"
    assert field in error.field
    if line is not None:
        assert error.line == head_lines() + line


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("heartbeat_s: 20", "heartbeat_s: 40", "at most half of lapse_s"),
        ("heartbeat_s: 20", "heartbeat_s: null", "at most half of lapse_s"),
        ("persistent: false", "persistent: true", "must not be written cyclically"),
        ("    lapse_to: its own control\n", "", "'lapse_to' is missing"),
        ("power: discharge_positive", "value: lapse", "'lapse' is not a number"),
        ("type: int16, value: 0", "type: int16, power: magnitude", "a release has no power"),
        (
            "write: {at: 1, type: int16, value: 0}",
            "{write: {at: 1, type: int32, value: 0}, fc: 6}",
            "6 (one register only) or 16",
        ),
        ("write: {at: 1, type: int16, value: 0}", "wait_s: 99", "outside 0 to 30"),
        ("setpoint:", "limit:", "this key is not known here"),
        (
            "power: discharge_positive}",
            "power: discharge_positive}\n      unless: {power_w: 0}",
            "a command is always written",
        ),
        (
            "value: 0}",
            "value: 0}\n      unless: {mode: 0}",
            "'mode' is not defined",
        ),
    ],
)
def test_a_control_section_must_be_complete_and_safe(old: str, new: str, message: str) -> None:
    assert old in BATTERY
    profile, errors = read(BATTERY.replace(old, new), "battery")
    assert profile is None
    assert any(message in error.message for error in errors), errors


def test_a_block_has_no_gaps() -> None:
    block = "block: [{at: 1, type: int32, value: 0}, {at: 4, type: int16, value: 0}]"
    wrong = BATTERY.replace("write: {at: 1, type: int16, value: 0}", block)
    _, errors = read(wrong, "battery")
    assert "does not begin where the value before it ends" in errors[0].message
    profile, _ = read(wrong.replace("at: 4", "at: 3"), "battery")
    assert profile


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    _, errors = read(
        METER + "  soc: {at: x}\n  soh: {at: 1}\n  frequency_hz: {at: 2, tpye: int16}\n"
    )
    assert len(errors) == 3


def test_words_like_off_and_yes_stay_words() -> None:
    profile, errors = read(METER + "  state: {at: 1, type: uint16, values: {0: off, 1: yes}}\n")
    assert profile, errors
    state = next(field for field in profile.fields if field.key == Quantity.STATE)
    assert state.texts == {0: "off", 1: "yes"}


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [*(f"{q}" for q in Quantity), "int16", "input", "inverter.W", "power_w", "lapse_s"]
    ),
    st.just(10**40),
)
KEYS = st.sampled_from(
    [
        *("registers", "helpers", "link", "poll", "defaults", "sunspec", "identity", "channels"),
        *("control", "contract", "setpoint", "release", "enable", "limit", "expect", "ranges"),
        *("at", "type", "point", "count", "scale", "nan", "range", "mask", "values", "bits"),
        *("when", "sign", "unit", "sum", "first", "product", "base", "stride", "most", "bases"),
        *("write", "block", "check", "wait_s", "only", "fc", "is", "power", "words", "holding"),
        *("power_w", "soc", "state", "inverter", "1", "0x10", "kind", "title", "models"),
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(list(AssetKind)), st.dictionaries(KEYS, VALUES, max_size=6))
def test_no_document_ends_in_a_traceback(kind: AssetKind, body: dict[str, object]) -> None:
    document = yaml.safe_load(HEAD.replace("KIND", kind)) | body
    profile, errors = read_profile(yaml.safe_dump(document), "x.yaml", "x")
    assert (profile is None) == bool(errors)
    assert all(str(error).startswith("x.yaml:") and error.message for error in errors)


@settings(max_examples=300)
@given(st.text(max_size=200))
@example("a: [" * 3000)
@example("{" * 3000)
@example("!!python/object:os.system {}")
@example("a: &a [*a]")
@example("? [1, 2]\n: 3")
@example("\0")
@example("a: 1\n---\nb: 2")
@example("a: 123456789012345678901234567890")
@example("kind: \ud800".encode("utf-8", "replace").decode())
def test_no_text_ends_in_a_traceback(text: str) -> None:
    profile, errors = read_profile(text, "x.yaml", "x")
    assert profile is None
    assert errors


MUTATIONS = st.tuples(st.integers(0, 10_000), st.integers(0, 6), st.text(max_size=4))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(SHIPPED.glob("*/*.yaml"))), st.lists(MUTATIONS, max_size=3))
def test_a_damaged_profile_ends_in_errors_or_in_a_profile(
    path: Path, changes: list[tuple[int, int, str]]
) -> None:
    text = path.read_text(encoding="utf-8")
    for place, cut, insert in changes:
        at = place % len(text)
        text = text[:at] + insert + text[at + cut :]
    profile, errors = read_profile(text, "x.yaml", "x")
    assert (profile is None) == bool(errors)


def test_text_quantities_are_never_numbers_in_shipped_profiles() -> None:
    for profile in LIBRARY.profiles.values():
        for field in profile.fields:
            is_text = bool(field.texts or field.bits)
            assert field.key not in Quantity or is_text == (field.key in TEXT_QUANTITIES)


def test_drivers_know_nothing_of_home_assistant() -> None:
    for path in SHIPPED.parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith("homeassistant")], path.name
