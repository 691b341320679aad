"""Constants of the Home Assistant layer."""

import logging
from typing import Final

from homeassistant.const import Platform

DOMAIN: Final = "computeload"
LOGGER: Final = logging.getLogger(__package__)

PLATFORMS: Final = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
]

# Site (config entry data)
CONF_CONNECTION_LIMIT_KW: Final = "connection_limit_kw"
CONF_CURRENCY: Final = "currency"
CONF_EXPORT_LIMIT_KW: Final = "export_limit_kw"
CONF_PHASE_LIMIT_A: Final = "phase_limit_a"
CONF_SIMULATION: Final = "simulation"
CONF_SCENARIO: Final = "scenario"
CONF_SPEED: Final = "speed"
CONF_TARGET_PEAK_KW: Final = "target_peak_kw"

# Arguments of actions
CONF_SITE: Final = "site"

# Signals, tariff and planning (config entry options)
CONF_PRICE: Final = "price"
CONF_CARBON: Final = "carbon"
CONF_PV: Final = "pv"
CONF_OPERATOR: Final = "operator"
CONF_TARIFF: Final = "tariff"
CONF_PLANNING: Final = "planning"
CONF_WEAR: Final = "wear"
CONF_EFFICIENCY: Final = "efficiency"
CONF_CARBON_PRICE: Final = "carbon_price"

CONF_OUTAGE: Final = "outage"
CONF_PROTECTED: Final = "protected"
CONF_ISLANDING: Final = "islanding"
CONF_SHUTDOWN_MIN: Final = "shutdown_min"
CONF_SCRIPT: Final = "script"
CONF_CALENDAR: Final = "calendar"

# Proof (config entry options)
CONF_PROOF: Final = "proof"
CONF_ACCEPT_UNPROVEN: Final = "accept_unproven"

# Asset (config subentry data)
CONF_ACCEPT_STUCK: Final = "accept_stuck_command"
CONF_CAPACITY_KWH: Final = "capacity_kwh"
CONF_CHANNELS: Final = "channels"
CONF_CHARGE_LIMIT_KW: Final = "charge_limit_kw"
CONF_DISCHARGE_LIMIT_KW: Final = "discharge_limit_kw"
CONF_LINK: Final = "link"
CONF_MORE_UNIT_IDS: Final = "more_unit_ids"
CONF_OVERRIDES: Final = "overrides"
CONF_POLL_S: Final = "poll_s"
CONF_PROFILE: Final = "profile"
CONF_ROLE: Final = "role"
CONF_SOURCE: Final = "source"
CONF_UNIT_ID: Final = "unit_id"

# Asset made of entities
CONF_POWER: Final = "power"
CONF_POWER_OTHER_WAY: Final = "power_other_way"
CONF_POWER_PHASES: Final = ("power_l1", "power_l2", "power_l3")
CONF_INVERTED: Final = "inverted"
CONF_ENERGY_IMPORT: Final = "energy_import"
CONF_ENERGY_EXPORT: Final = "energy_export"
CONF_SOC: Final = "soc"
CONF_COMMAND: Final = "command"
CONF_DELAY_S: Final = "delay_s"
CONF_SET_POWER: Final = "set_power"
CONF_SET_CHARGE_POWER: Final = "set_charge_power"
CONF_SET_INVERTED: Final = "set_inverted"
CONF_SET_MODE: Final = "set_mode"
CONF_SET_SWITCH: Final = "set_switch"
CONF_SET_ACTIONS: Final = "set_actions"
CONF_RELEASE_ACTIONS: Final = "release_actions"

# Asset behind a server
CONF_SUBENTRY: Final = "subentry"
CONF_BASIC_AUTH: Final = "basic_auth"
CONF_CHASSIS: Final = "chassis"
CONF_QUERY: Final = "query"
CONF_QUERY_UNIT: Final = "query_unit"
CONF_ENERGY_QUERY: Final = "energy_query"
CONF_ENERGY_UNIT: Final = "energy_unit"

# Cluster (config subentry data)
SUBENTRY_CLUSTER: Final = "cluster"
CONF_BRANCHES: Final = "branches"
"""Which metered branches feed it: a list of nodes by subentry id; empty for all nodes."""
CONF_PARTITIONS: Final = "partitions"
"""Whose jobs may be put off or put back; none for all partitions."""
CONF_ACCOUNTS: Final = "accounts"
"""Likewise; empty for all accounts."""
CONF_WAITING: Final = "waiting"
CONF_RUNNING: Final = "running"
CONF_MACHINES: Final = "machines"
CONF_REDFISH_LIMITS: Final = "redfish_limits"
"""Whether a cut is also set as power limits of servers."""
CONF_BUDGET_SCRIPT: Final = "budget_script"
"""A script that makes jobs keep to a budget."""

SOURCE_MODBUS: Final = "modbus"
"""Where nothing is said, it is this."""
SOURCE_ENTITIES: Final = "entities"
SOURCE_REDFISH: Final = "redfish"
SOURCE_PROMETHEUS: Final = "prometheus"
SOURCE_SLURM: Final = "slurm"
SOURCE_COUNTED: Final = "counted"

ROLE_GRID: Final = "grid"
ROLE_BRANCH: Final = "branch"

LINK_TCP: Final = "tcp"
LINK_TLS: Final = "tls"
LINK_RTU_TCP: Final = "rtu_tcp"
LINK_SERIAL: Final = "serial"
LINK_SIMULATED: Final = "simulated"

PUBLISH_S: Final = 5.0
"""Entities learn of new values at most this often; the control loop is faster."""
