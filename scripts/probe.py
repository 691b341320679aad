"""Finds out what answers at an address; ``scripts/probe`` is the front. It only reads."""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
import sys
from typing import Final

from modbus_connection import ModbusSerialParams, ModbusTcpParams, ModbusTlsParams
from modbus_connection.tmodbus import ModbusConnection

from custom_components.computeload.clock import SystemClock
from custom_components.computeload.core.model import AssetKind, Identity, Reading
from custom_components.computeload.drivers import probe
from custom_components.computeload.drivers.base import CannotConnectError
from custom_components.computeload.drivers.profile import SHIPPED, load_library
from custom_components.computeload.drivers.spec import Profile

NOTHING: Final = 1
UNREACHABLE: Final = 2

type Params = ModbusTcpParams | ModbusTlsParams | ModbusSerialParams


def _params(options: argparse.Namespace) -> Params:
    """Return the connection that was asked for."""
    match options.link:
        case "tls":
            return ModbusTlsParams(host=options.place, port=options.port, verify=options.verify)
        case "rtu_over_tcp":
            return ModbusSerialParams(
                device=f"socket://{options.place}:{options.port}", baudrate=115200
            )
        case "serial":
            return ModbusSerialParams(
                device=options.place, baudrate=options.baudrate, parity=options.parity
            )
        case _:
            return ModbusTcpParams(host=options.place, port=options.port)


def _who(identity: Identity) -> str:
    """Return who a device says it is."""
    parts = (identity.manufacturer, identity.model, identity.firmware)
    serial = f"serial number {identity.serial}" if identity.serial else None
    return ", ".join(part for part in (*parts, serial) if part)


def _values(reading: Reading) -> str:
    """Return the first values of a reading, to compare with the device's own display."""
    numbers = {k: v for k, v in reading.values.items() if isinstance(v, int | float)}
    return ", ".join(f"{quantity} {value:.9g}" for quantity, value in list(numbers.items())[:8])


def _print(found: probe.Found) -> None:
    """Print what is behind one unit id."""
    if found.models:
        print(f"  SunSpec models: {', '.join(map(str, found.models))}")
    proven = any(match.proven for match in found.matches)
    for match in found.matches:
        verdict = "fits" if match.proven else "could be, though no register proves it"
        print(f"  {verdict}: {match.profile.kind} '{match.profile.title}' ({match.profile.id})")
        if proven and not match.proven:
            continue  # registers that mean something else make strange values
        print(f"    {_who(match.identity)}")
        print(f"    {_values(match.reading)}")
    if not found.matches:
        print("  no profile fits; docs/profiles.md tells how to write one")


async def run(options: argparse.Namespace, profiles: Mapping[str, Profile]) -> int:
    """Probe, and print what was found; 0 if a profile fits."""
    chosen = [p for p in profiles.values() if options.kind in {None, p.kind.value}]
    usual = sorted({profile.link.unit_id for profile in chosen})
    connection = ModbusConnection(_params(options), timeout=options.timeout)
    fits = False
    answered = False
    try:
        for unit_id in options.unit or usual:
            unit = connection.for_unit(unit_id)
            if not await probe.answers(unit, options.timeout):
                continue
            answered = True
            print(f"unit id {unit_id} answers", flush=True)
            found = await probe.find(
                unit, chosen, SystemClock(), timeout_s=options.timeout, spacing_s=options.pause
            )
            _print(found)
            fits = fits or bool(found.matches)
            if fits and not options.unit:
                break  # many devices answer at every unit id
    except CannotConnectError:
        print(
            f"No connection to {options.place}. Check the address, the port and whether Modbus is"
            " switched on in the device; many devices take one connection only.",
            file=sys.stderr,
        )
        return UNREACHABLE
    finally:
        await connection.close()
    if not answered:
        tried = ", ".join(str(unit_id) for unit_id in options.unit or usual)
        print(f"Nothing answers at the unit ids {tried}; --unit tries another.", file=sys.stderr)
    return 0 if fits else NOTHING


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and probe."""
    parser = argparse.ArgumentParser(prog="scripts/probe", description=__doc__)
    parser.add_argument("place", metavar="HOST", help="host name or address; or a serial port")
    parser.add_argument("--port", type=int, default=502)
    parser.add_argument("--unit", type=int, nargs="+", help="unit ids to try; else the usual ones")
    parser.add_argument("--link", choices=["tcp", "rtu_over_tcp", "tls", "serial"], default="tcp")
    parser.add_argument("--baudrate", type=int, default=9600)
    parser.add_argument("--parity", choices=["N", "E", "O"], default="N")
    parser.add_argument(
        "--no-verify", dest="verify", action="store_false", help="accept any certificate"
    )
    parser.add_argument("--kind", choices=[kind.value for kind in AssetKind])
    parser.add_argument("--own", type=Path, help="a folder with profiles of your own")
    parser.add_argument("--timeout", type=float, default=1.0, help="seconds to wait for an answer")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two requests")
    options = parser.parse_args(arguments)
    library = load_library([SHIPPED, options.own] if options.own else [SHIPPED])
    for error in library.errors:
        print(error, file=sys.stderr)
    return asyncio.run(run(options, library.profiles))


if __name__ == "__main__":
    sys.exit(main())
