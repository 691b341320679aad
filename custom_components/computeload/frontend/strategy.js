// Which views and cards there are. Made anew when a registry changes.

import { branches, findSites, shortName } from "./site.js";

const HISTORY_H = 1;
const ADD = "/config/integrations/dashboard/add?domain=computeload";

/** Without the name of the device, which the heading above says already. */
const OWN_NAME = { type: "entity" };

const heading = (text, icon) => ({ type: "heading", heading: text, icon });
const named = (entity, name) => ({ entity, name });
const present = (list) => list.filter((one) => one?.entity ?? one);

export class ComputeloadStrategy extends HTMLElement {
  static registryDependencies = ["entities", "devices"];

  static async generate(_config, hass) {
    const sites = findSites(hass);
    if (!sites.length) return { views: [emptyView()] };
    const several = sites.length > 1;
    return {
      views: [
        ...sites.map((site, i) => nowView(hass, site, several ? site.name : "Now", several ? `now-${i + 1}` : "now")),
        ...sites.map((site, i) => planView(site, several ? `Plan: ${site.name}` : "Plan", several ? `plan-${i + 1}` : "plan")),
        devicesView(sites, several),
      ],
    };
  }
}

function emptyView() {
  return {
    title: "Now",
    path: "now",
    type: "sections",
    max_columns: 1,
    sections: [
      {
        type: "grid",
        cards: [
          {
            type: "markdown",
            content: [
              "## No site yet",
              "A site is one grid connection with what hangs on it: meters, batteries, PV, loads.",
              `**[Add a site](${ADD})** – choose *Simulated site* to look around without any hardware.`,
            ].join("\n\n"),
          },
        ],
      },
    ],
  };
}

function nowView(hass, site, title, path) {
  const own = site.entities;
  const card = (type) => ({ type: `custom:computeload-${type}-card`, site: site.id });
  const history = present([
    own.grid_power && named(own.grid_power, "Grid"),
    own.load_power && named(own.load_power, "Load"),
    own.battery_power && named(own.battery_power, "Battery"),
    own.pv_power && site.assets.some((a) => a.kind === "pv") && named(own.pv_power, "PV"),
  ]);
  const measured = branches(site);
  const sections = [
    { type: "grid", cards: [heading("Power now", "mdi:flash"), card("flow")] },
    {
      type: "grid",
      cards: [heading("Peak", "mdi:chart-bell-curve"), card("window"), card("control"), ...settings(own)],
    },
    {
      type: "grid",
      cards: [
        heading("The last hour", "mdi:chart-line"),
        { type: "history-graph", hours_to_show: HISTORY_H, entities: history, grid_options: { columns: 12 } },
        ...(measured.length
          ? [
              {
                type: "statistics-graph",
                title: "Branches, mean power",
                entities: measured.map((id) => named(id, shortName(hass, id))),
                stat_types: ["mean"],
                period: "5minute",
                days_to_show: 1,
                chart_type: "line",
                hide_legend: measured.length > 8,
                grid_options: { columns: 12 },
              },
            ]
          : []),
      ],
    },
  ];
  return { title, path, icon: "mdi:lightning-bolt", type: "sections", max_columns: 3, sections };
}

function settings(own) {
  const tile = (entity, options) => (entity ? { type: "tile", entity, name: OWN_NAME, ...options } : null);
  const wide = { grid_options: { columns: 12 } };
  return present([
    tile(own.controller, { features: [{ type: "toggle" }], features_position: "inline", ...wide }),
    tile(own.strategy, { features: [{ type: "select-options" }], ...wide }),
    tile(own.target_peak, { features: [{ type: "numeric-input", style: "buttons" }], ...wide }),
  ]);
}

function planView(site, title, path) {
  const own = site.entities;
  const tile = (entity, name, options) => (entity ? { type: "tile", entity, name, ...options } : null);
  const wide = { grid_options: { columns: 12 } };
  const sections = [
    {
      type: "grid",
      column_span: 2,
      cards: [heading("The next hours", "mdi:calendar-clock"), { type: "custom:computeload-plan-card", site: site.id, grid_options: { columns: "full" } }],
    },
    {
      type: "grid",
      cards: present([
        heading("What is planned", "mdi:head-lightbulb-outline"),
        tile(own.plan_status, OWN_NAME, wide),
        tile(own.plan_reason, OWN_NAME, wide),
        tile(own.planned_battery_power, "Battery"),
        tile(own.planned_grid_power, "Grid"),
        tile(own.next_charge, "Charges next"),
        tile(own.next_discharge, "Gives next"),
        tile(own.planned_peak, "Peak, next 24 h"),
        tile(own.target, "Target"),
        tile(own.price, "Market price"),
        tile(own.planned_soc, "Charged to"),
      ]),
    },
    {
      type: "grid",
      cards: present([
        heading("Bill and savings", "mdi:piggy-bank-outline"),
        tile(own.savings_month, "Saved this month", wide),
        tile(own.savings_today, "Saved today"),
        tile(own.savings_year, "Saved this year"),
        tile(own.bill_month, "Bill, this month"),
        tile(own.bill_year, "Bill, this year"),
        tile(own.shadow_month, "Would have saved while off, this month", wide),
      ]),
    },
  ];
  return { title, path, icon: "mdi:calendar-clock", type: "sections", max_columns: 3, sections };
}

const KINDS = {
  grid: "mdi:transmission-tower",
  pv: "mdi:solar-power-variant",
  battery: "mdi:battery",
  load: "mdi:server",
};

function devicesView(sites, several) {
  const sections = sites.flatMap((site) =>
    site.assets.map((asset) => ({
      type: "grid",
      cards: [
        {
          ...heading(several ? `${site.name}: ${asset.name}` : asset.name, KINDS[asset.kind]),
          tap_action: { action: "navigate", navigation_path: `/config/devices/device/${asset.id}` },
        },
        ...asset.main.map((entity) => ({ type: "tile", entity, name: OWN_NAME })),
      ],
    })),
  );
  return {
    title: "Devices",
    path: "devices",
    icon: "mdi:devices",
    type: "sections",
    max_columns: 4,
    dense_section_placement: true,
    sections,
  };
}
