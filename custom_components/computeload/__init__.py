"""computeload: the energy butler of sites that run their own compute.

The package in one look: ``core`` decides and knows no I/O, ``drivers`` know the wire and
no Home Assistant, and the modules beside this one are the thin layer that joins both to
Home Assistant. Data flows one way: readings in, decision, commands out, then publishing.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.typing import ConfigType

from .const import CONF_POLL_S, CONF_PROFILE, CONF_ROLE, CONF_SIMULATION, DOMAIN, LOGGER, PLATFORMS, ROLE_GRID
from .controller import Controller
from .coordinator import ComputeLoadConfigEntry, DeviceCoordinator, SiteRuntime
from .core.model import Clock
from .drivers.modbus import open_device
from .drivers.profile import load_library
from .link import async_open_unit
from .simulation import async_start_simulator

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)
