// Finds sites, their assets and values. Entity ids belong to the user, who may rename them:
// what an entity is, its translation key says.

const DOMAIN = "computeload";

/** Return all sites by name: {id, name, entities: {key: entity id}, assets: [...]}. */
export function findSites(hass) {
  const entities = Object.values(hass.entities).filter((e) => e.platform === DOMAIN && !e.hidden);
  const devices = new Map();
  for (const entity of entities) {
    if (!devices.has(entity.device_id)) devices.set(entity.device_id, []);
    devices.get(entity.device_id).push(entity);
  }
  const sites = [];
  for (const [id, own] of devices) {
    const device = hass.devices[id];
    // Clusters are services as well, but hang on their site.
    if (device?.entry_type !== "service" || device.via_device_id) continue;
    const entry = device.primary_config_entry;
    const assets = [...devices]
      .filter(([other]) => other !== id && hass.devices[other]?.primary_config_entry === entry)
      .map(([other, its]) => asset(hass.devices[other], its))
      .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || a.name.localeCompare(b.name));
    sites.push({ id, name: deviceName(device), entities: byKey(own), assets });
  }
  return sites.sort((a, b) => a.name.localeCompare(b.name));
}

/** Return one site; undefined when it is gone. */
export const findSite = (hass, id) => findSites(hass).find((site) => site.id === id);

const ORDER = ["grid", "pv", "battery", "cluster", "load"];

const deviceName = (device) => device.name_by_user || device.name;

function byKey(entities) {
  return Object.fromEntries(entities.map((e) => [e.translation_key, e.entity_id]));
}

function asset(device, entities) {
  const keys = byKey(entities);
  // A key that only one kind of device has tells the kind.
  let kind = "load";
  if (keys.soc) kind = "battery";
  else if (keys.energy_produced || keys.power_limit) kind = "pv";
  else if (keys.energy_imported) kind = "grid";
  else if (keys.jobs_running) kind = "cluster";
  const all = (key) =>
    entities.filter((e) => e.translation_key === key).map((e) => e.entity_id).sort(naturally);
  return {
    id: device.id,
    name: deviceName(device),
    kind,
    entities: keys,
    channels: all("channel_power"),
    energies: all("channel_energy"),
    // What is worth a tile: not the settings, not the diagnostics, not each of many branches.
    main: entities
      .filter((e) => !e.entity_category && !DETAILS.includes(e.translation_key))
      .sort((a, b) => rank(a) - rank(b) || naturally(a.entity_id, b.entity_id))
      .slice(0, TILES)
      .map((e) => e.entity_id),
  };
}

const TILES = 6;
/** The rest is on the device's own page. */

const WHOLE = ["power", "energy_consumed"];
const FIRST = ["power", "soc", "device_state", "nodes_busy", "nodes_idle", "nodes_down", "jobs_running", "jobs_pending"];
const DETAILS = ["channel_power", "channel_energy"];

/** What people look for first comes first. */
function rank(entity) {
  const at = FIRST.indexOf(entity.translation_key);
  return at < 0 ? FIRST.length : at;
}

const naturally = (a, b) => a.localeCompare(b, undefined, { numeric: true });

/** Return the entities that measure where the power goes. */
export const branches = (site) => metered(site, "channels", "power");

/** Return the entities that count where the energy goes. */
export const energies = (site) => metered(site, "energies", "energy_consumed");

const FEW = 8;

/** Return the branches of meters; whole loads where these have no branches, or too many to be read. */
function metered(site, parts, whole) {
  const loads = site.assets.filter((a) => a.kind === "load");
  const fine = loads.flatMap((a) => (a[parts].length ? a[parts] : [a.entities[whole]])).filter(Boolean);
  return fine.length > FEW ? loads.flatMap((a) => a.entities[whole] ?? a[parts]) : fine;
}

const FACTORS = { W: 1, kW: 1000, MW: 1e6, Wh: 1, kWh: 1000, MWh: 1e6 };

/** Return a state in W or Wh; null where it is not a number. */
export function base(hass, entityId) {
  const state = hass.states[entityId];
  if (!state || state.state.trim() === "" || !Number.isFinite(Number(state.state))) return null;
  return Number(state.state) * (FACTORS[state.attributes.unit_of_measurement] ?? 1);
}

/** Return a state as Home Assistant would show it, in the user's language. */
export function shown(hass, entityId) {
  const state = hass.states[entityId];
  return state ? hass.formatEntityState(state) : "–";
}

/** Return what a branch is called: a whole device by its name, else the entity without it. */
export function branchName(hass, entityId) {
  const full = hass.states[entityId]?.attributes.friendly_name ?? entityId;
  const entity = hass.entities[entityId];
  const device = hass.devices[entity?.device_id];
  if (device && WHOLE.includes(entity.translation_key)) return deviceName(device);
  const prefix = device ? `${deviceName(device)} ` : "";
  return prefix && full.startsWith(prefix) ? full.slice(prefix.length) : full;
}
