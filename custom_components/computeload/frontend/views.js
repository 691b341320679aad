// Which cards each view has: built-in ones wherever Home Assistant has one.

import { base, branches, branchName, energies } from "./site.js";

const HISTORY_H = 1;
const LINES = 8;
/** More in one diagram cannot be told apart. */
const ADD = "/config/integrations/dashboard/add?domain=computeload";
const WIDE = { grid_options: { columns: 12 } };
const FULL = { grid_options: { columns: "full" } };

/** Without the name of the device, which the heading above says already. */
const OWN_NAME = { type: "entity" };

const heading = (text, icon, more = {}) => ({ type: "heading", heading: text, icon, ...more });
/** A heading with cards below it. Without any there is none; it goes where all of them hide. */
function section(head, cards, more = {}) {
  const below = cards.filter(Boolean);
  if (!below.length) return null;
  const hidden = below.every((card) => card.visibility);
  const visibility = hidden && [{ condition: "or", conditions: below.flatMap((card) => card.visibility) }];
  return { type: "grid", cards: [head, ...below], ...(visibility && { visibility }), ...more };
}
const tile = (entity, name = OWN_NAME, options = {}) => (entity ? { type: "tile", entity, name, ...options } : null);

/** A tile that is there only while there is something to say. */
const known = (entity, name = OWN_NAME, options = {}) => tile(entity, name, { visibility: [says(entity)], ...options });
const says = (entity) => ({ condition: "state", entity, state_not: "unknown" });
const silent = (entity) => ({ condition: "state", entity, state: "unknown" });
const own = (type, site, options = {}) => ({ type: `custom:computeload-${type}-card`, site: site.id, ...options });

/** Return the views of one site. */
export const siteViews = (hass, say, site) => [
  nowView(hass, say, site),
  planView(say, site),
  computeView(hass, say, site),
  peaksView(say, site),
  savingsView(say, site),
  healthView(say, site),
];

const view = (say, path, icon, sections, columns = 3) => ({
  title: say(`view.${path}`),
  path,
  icon,
  type: "sections",
  max_columns: columns,
  sections: sections.filter(Boolean),
});

export function emptyView(say) {
  const link = `**[${say("empty.add")}](${ADD})** – ${say("empty.hint")}`;
  const content = [`## ${say("empty.title")}`, say("empty.what"), link].join("\n\n");
  return view(say, "now", "mdi:lightning-bolt", [{ type: "grid", cards: [{ type: "markdown", content }] }], 1);
}

/** Return the first view of a dashboard of several sites; it leads to the views of each. */
export function sitesView(say, sites) {
  const sections = sites.map((site, i) => {
    const links = PATHS.map((path) => `[${say(`view.${path}`)}](${path}-${i + 1})`).join(" · ");
    const cards = [own("flow", site), own("window", site), own("control", site), { type: "markdown", content: links, ...WIDE }];
    return section(heading(site.name, "mdi:transmission-tower"), cards);
  });
  return { ...view(say, "now", "mdi:lightning-bolt", sections), title: say("heading.sites"), path: "sites" };
}

const PATHS = ["now", "plan", "compute", "peaks", "savings", "health"];

function nowView(hass, say, site) {
  const its = site.entities;
  const named = (entity, name) => entity && { entity, name };
  const history = [
    named(its.grid_power, say("tile.grid")),
    named(its.load_power, say("tile.load")),
    named(its.battery_power, say("tile.battery")),
    site.assets.some((asset) => asset.kind === "pv") && named(its.pv_power, say("tile.pv")),
  ].filter(Boolean);
  return view(say, "now", "mdi:lightning-bolt", [
    section(heading(say("heading.power_now"), "mdi:flash"), [own("guide", site), own("flow", site)]),
    section(heading(say("heading.control"), "mdi:chart-bell-curve"), [
      own("window", site),
      own("control", site),
      tile(its.controller, OWN_NAME, { features: [{ type: "toggle" }], features_position: "inline", ...WIDE }),
      tile(its.strategy, OWN_NAME, { features: [{ type: "select-options" }], ...WIDE }),
      tile(its.target_peak, OWN_NAME, { features: [{ type: "numeric-input", style: "buttons" }], ...WIDE }),
    ]),
    section(heading(say("heading.last_hour"), "mdi:chart-line"), [
      { type: "history-graph", hours_to_show: HISTORY_H, entities: history, ...WIDE },
      branchesCard(hass, say, site),
    ]),
  ]);
}

/** Return the history of the branches that draw most now. */
function branchesCard(hass, say, site) {
  const largest = branches(site)
    .sort((a, b) => base(hass, b) - base(hass, a))
    .slice(0, LINES)
    .map((entity) => ({ entity, name: branchName(hass, entity) }));
  if (!largest.length) return null;
  return { type: "history-graph", title: say("heading.branches"), hours_to_show: HISTORY_H, entities: largest, ...WIDE };
}

function planView(say, site) {
  const its = site.entities;
  return view(say, "plan", "mdi:calendar-clock", [
    section(heading(say("heading.next_hours"), "mdi:calendar-clock"), [own("plan", site, FULL)], { column_span: 2 }),
    section(heading(say("heading.planned"), "mdi:head-lightbulb-outline"), [
      tile(its.plan_status, OWN_NAME, WIDE),
      known(its.plan_reason, OWN_NAME, WIDE),
      known(its.planned_battery_power, say("tile.battery")),
      known(its.planned_grid_power, say("tile.grid")),
      known(its.next_charge, say("tile.charges_next")),
      known(its.next_discharge, say("tile.gives_next")),
      known(its.planned_peak, say("tile.peak_24h")),
      known(its.target, say("common.target")),
      known(its.planned_soc, say("tile.charged_to"), WIDE),
    ]),
    section(heading(say("heading.signals"), "mdi:currency-eur"), [
      its.price ? tile(its.price, say("tile.market_price"), WIDE) : { type: "markdown", content: say("guide.price_more"), ...WIDE },
      tile(its.carbon_intensity, say("tile.co2"), WIDE),
      known(its.price_kind),
      known(its.price_reach),
      known(its.pv_forecast_today, OWN_NAME, WIDE),
      known(its.pv_forecast_remaining, OWN_NAME, WIDE),
    ]),
  ]);
}

function computeView(hass, say, site) {
  const measured = branches(site).map((entity) => ({ entity, name: branchName(hass, entity) }));
  const metered = measured.length
    ? { type: "entities", entities: measured, ...WIDE }
    : { type: "markdown", content: say("compute.no_branches"), ...WIDE };
  const counted = energies(site).map((entity) => ({ entity, name: branchName(hass, entity) }));
  return view(say, "compute", "mdi:server", [
    section(heading(say("heading.cluster"), "mdi:server-network"), [own("compute", site, FULL)], { column_span: 2 }),
    ...site.assets.filter((asset) => asset.kind === "cluster").map((asset) => leversSection(say, asset)),
    section(heading(say("heading.branches_now"), "mdi:flash"), [metered]),
    section(heading(say("heading.energy"), "mdi:chart-bar"), [
      counted.length && {
        type: "statistics-graph",
        entities: counted,
        stat_types: ["change"],
        period: "hour",
        days_to_show: 2,
        chart_type: "bar",
        hide_legend: counted.length > LINES,
        ...WIDE,
      },
    ]),
  ]);
}

/** What a cluster's jobs do to make room, and what they are allowed to. */
function leversSection(say, cluster) {
  const its = cluster.entities;
  return section(heading(say("heading.levers"), "mdi:timer-sand"), [
    tile(its.jobs_put_off),
    tile(its.power_put_off),
    known(its.compute_allowed, OWN_NAME, WIDE),
    tile(its.consent_hold, OWN_NAME, WIDE),
    tile(its.consent_cap, OWN_NAME, WIDE),
    tile(its.consent_drain, OWN_NAME, WIDE),
    tile(its.consent_requeue, OWN_NAME, WIDE),
    tile(its.longest_delay, OWN_NAME, WIDE),
  ]);
}

function peaksView(say, site) {
  const its = site.entities;
  return view(say, "peaks", "mdi:chart-bell-curve", [
    section(heading(say("heading.peaks"), "mdi:chart-bar"), [
      own("peaks", site, WIDE),
      known(its.billed_peak, OWN_NAME, WIDE),
      known(its.planned_peak, say("tile.peak_24h"), WIDE),
    ]),
    section(heading(say("heading.culprit"), "mdi:magnify"), [own("culprit", site, WIDE)]),
    section(heading(say("heading.duration"), "mdi:chart-line-variant"), [own("duration", site, WIDE)]),
    section(heading(say("heading.heat"), "mdi:calendar-week"), [own("heat", site, WIDE)]),
  ], 2);
}

function savingsView(say, site) {
  const its = site.entities;
  return view(say, "savings", "mdi:piggy-bank-outline", [
    section(heading(say("heading.months"), "mdi:calendar-month"), [own("savings", site, FULL)], { column_span: 2 }),
    section(heading(say("heading.saved"), "mdi:piggy-bank-outline"), [
      known(its.savings_month, say("tile.saved_month"), WIDE),
      known(its.savings_today, say("tile.saved_today")),
      known(its.savings_year, say("tile.saved_year")),
      known(its.savings_demand, say("savings.demand")),
      known(its.savings_arbitrage, say("savings.arbitrage")),
      known(its.savings_pv, say("savings.pv")),
      known(its.savings_wear, say("savings.wear")),
      known(its.co2_saved, say("savings.co2"), WIDE),
    ]),
    section(heading(say("heading.bill"), "mdi:receipt-text-outline"), [
      known(its.bill_month, say("tile.bill_month"), WIDE),
      known(its.bill_month_energy, say("tile.bill_month_energy")),
      known(its.bill_month_demand, say("tile.bill_month_demand")),
      known(its.bill_year, say("tile.bill_year"), WIDE),
    ]),
    section(heading(say("heading.shadow"), "mdi:ghost-outline"), [
      known(its.shadow_month, say("tile.shadow_month"), WIDE),
      known(its.shadow_day, say("tile.shadow_day"), WIDE),
      its.shadow_day && {
        type: "markdown",
        content: say("savings.shadow_none"),
        visibility: [silent(its.shadow_day)],
        ...WIDE,
      },
    ]),
  ]);
}

const KINDS = {
  grid: "mdi:transmission-tower",
  pv: "mdi:solar-power-variant",
  battery: "mdi:battery",
  load: "mdi:server",
  cluster: "mdi:server-network",
};

function healthView(say, site) {
  const its = site.entities;
  const devices = site.assets.map((asset) =>
    section(
      heading(asset.name, KINDS[asset.kind], {
        tap_action: { action: "navigate", navigation_path: `/config/devices/device/${asset.id}` },
      }),
      asset.main.map((entity) => known(entity)),
    ),
  );
  const sections = [
    section(heading(say("heading.devices"), "mdi:shield-check-outline"), [own("health", site, FULL)], { column_span: 2 }),
    section(heading(say("heading.limits"), "mdi:speedometer"), [
      { type: "repairs", hide_empty: true, ...WIDE },
      tile(its.check_site, OWN_NAME, { hide_state: true, features: [{ type: "button" }], features_position: "inline", ...WIDE }),
      tile(its.connection_limit, OWN_NAME, WIDE),
      tile(its.target_peak, OWN_NAME, WIDE),
      known(its.operator_limit, OWN_NAME, WIDE),
      tile(its.backup_reserve, OWN_NAME, WIDE),
      tile(its.soc_minimum, OWN_NAME, WIDE),
      known(its.data_age, OWN_NAME, WIDE),
    ]),
    section(heading(say("heading.outage"), "mdi:transmission-tower-off"), [
      tile(its.outage_stage, OWN_NAME, WIDE),
      known(its.runtime_left),
      known(its.protected_minutes),
      tile(its.outage_reserve, OWN_NAME, WIDE),
      tile(its.backup_time, OWN_NAME, WIDE),
      known(its.planned_outage, OWN_NAME, WIDE),
    ]),
    ...devices,
  ];
  return view(say, "health", "mdi:heart-pulse", sections);
}
