// The power flow: who gives, who takes, how much.

import { SiteCard, showMore } from "./card.js";
import { drawn, element, pressed } from "./dom.js";
import { kilowatts } from "./format.js";
import { base, branches, branchName, shown } from "./site.js";

const IDLE_W = 25;
/** Less than this is noise, and drawn as rest. */

const NODES = {
  pv: { x: 160, y: 46, key: "pv_power", icon: "mdi:solar-power-variant" },
  grid: { x: 46, y: 150, key: "grid_power", icon: "mdi:transmission-tower" },
  load: { x: 274, y: 150, key: "load_power", icon: "mdi:server" },
  battery: { x: 160, y: 254, key: "battery_power", icon: "mdi:battery" },
};
const CENTRE = { x: 160, y: 150 };
const RADIUS = 42;
const BRANCHES_SHOWN = 8;

export class FlowCard extends SiteCard {
  static about = ["grid_power", "load_power", "pv_power", "battery_power"];

  _watched(site) {
    return [...super._watched(site), ...branches(site)];
  }

  draw(site) {
    const hass = this.hass;
    const lines = drawn("svg", { viewBox: "0 0 320 300", "aria-hidden": "true" });
    const flow = element("div", { class: "flow" }, lines);
    for (const [id, node] of Object.entries(NODES)) {
      const entity = site.entities[node.key];
      if (!entity || (id !== "grid" && id !== "load" && !this._has(site, id))) continue;
      const watts = base(hass, entity);
      lines.append(...line(id, node, watts));
      flow.append(this._node(site, id, node, entity, watts));
    }
    this._body.replaceChildren(flow, this._branches(site) ?? "");
  }

  /** Tell whether the site has such a device: what is not there is not drawn. */
  _has(site, kind) {
    return site.assets.some((asset) => asset.kind === kind);
  }

  _node(site, id, node, entity, watts) {
    const { hass, say } = this;
    const charge = id === "battery" ? site.entities.site_soc : undefined;
    const does = say(words(id, watts));
    const amount = kilowatts(hass, watts === null ? null : Math.abs(watts));
    return pressed(
      () => showMore(this, entity),
      {
        class: `node ${id}`,
        style: `left:${node.x - RADIUS}px;top:${node.y - RADIUS}px`,
        "aria-label": `${say(`tile.${id}`)}: ${does} ${amount}`,
      },
      element("ha-icon", { icon: node.icon }),
      element("b", {}, amount),
      element("small", {}, charge ? `${does} · ${shown(hass, charge)}` : does),
    );
  }

  _branches(site) {
    const { hass, say } = this;
    const all = branches(site)
      .map((id) => ({ id, watts: base(hass, id) }))
      .sort((a, b) => (b.watts ?? -1) - (a.watts ?? -1));
    const most = Math.max(1, ...all.map((branch) => branch.watts ?? 0));
    const rows = all.slice(0, BRANCHES_SHOWN).map(({ id, watts }) => {
      const bar = element("i", { style: `width:${(100 * Math.max(watts ?? 0, 0)) / most}%` });
      return pressed(
        () => showMore(this, id),
        { class: "branch" },
        element("span", { class: "name" }, branchName(hass, id)),
        element("span", { class: "watts" }, kilowatts(hass, watts)),
        element("span", { class: "bar" }, bar),
      );
    });
    if (!rows.length) return null;
    const hidden = all.length - rows.length;
    const rest = hidden > 0 ? element("div", { class: "muted" }, say("flow.more", { count: hidden })) : null;
    return element("div", { class: "branches", role: "group", "aria-label": say("common.branches") }, ...rows, rest);
  }

  static css = `
    .body { display: flex; flex-wrap: wrap; gap: 8px 24px; justify-content: center; align-items: center; }
    .flow { position: relative; width: 320px; height: 300px; flex: none; }
    .flow svg { position: absolute; inset: 0; width: 320px; height: 300px; }
    .wire { stroke-width: 2; fill: none; }
    .rest { stroke: var(--divider-color); }
    .pv { --own: var(--energy-solar-color, #ff9800); }
    .grid { --own: var(--energy-grid-consumption-color, #488fc2); }
    .battery { --own: var(--energy-battery-out-color, #4db6ac); }
    .load { --own: var(--load-color); }
    .live { stroke: var(--own); stroke-dasharray: 6 5; }
    .arrow { fill: var(--own); }
    .node {
      position: absolute; width: ${2 * RADIUS}px; height: ${2 * RADIUS}px; box-sizing: border-box;
      border: 2px solid var(--own); border-radius: 50%; background: var(--card-background-color);
      display: flex; flex-direction: column; align-items: center; justify-content: center; gap: 1px;
      line-height: 1.1; text-align: center;
    }
    .node ha-icon { --mdc-icon-size: 20px; color: var(--own); }
    .node b { font-size: 14px; font-weight: 600; white-space: nowrap; }
    .node small { font-size: 11px; color: var(--secondary-text-color); white-space: nowrap; }
    .branches { flex: 1 1 220px; max-width: 420px; display: flex; flex-direction: column; gap: 8px; }
    .branch { display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; font-size: 14px; }
    .branch .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .branch .watts { font-variant-numeric: tabular-nums; }
    .branch .bar { grid-column: 1 / 3; height: 4px; border-radius: 2px; background: var(--divider-color); }
    .branch .bar i { display: block; height: 100%; border-radius: 2px; background: var(--load-color); }
  `;
}

/** Return the text for what a flow of this sign means. */
function words(id, watts) {
  if (watts === null) return "flow.no_data";
  if (Math.abs(watts) < IDLE_W) return "flow.idle";
  if (id === "grid") return watts > 0 ? "flow.imports" : "flow.exports";
  if (id === "battery") return watts > 0 ? "flow.gives" : "flow.takes";
  return id === "pv" ? "flow.gives" : "flow.uses";
}

/** Return the wire between a node and the centre, with an arrow the way the power goes. */
function line(id, node, watts) {
  const [dx, dy] = [Math.sign(CENTRE.x - node.x), Math.sign(CENTRE.y - node.y)];
  const edge = { x: node.x + dx * RADIUS, y: node.y + dy * RADIUS };
  // The load takes what the others give: a positive one flows away from the centre.
  const inward = id === "load" ? watts < 0 : watts > 0;
  const idle = watts === null || Math.abs(watts) < IDLE_W;
  const [from, to] = inward ? [edge, CENTRE] : [CENTRE, edge];
  const wire = drawn("path", {
    class: `wire ${idle ? "rest" : `live ${id}`}`,
    d: `M${from.x} ${from.y}L${to.x} ${to.y}`,
  });
  if (idle) return [wire];
  const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  const angle = (Math.atan2(to.y - from.y, to.x - from.x) * 180) / Math.PI;
  const arrow = drawn("path", {
    class: `arrow ${id}`,
    d: "M-6 -7L8 0L-6 7Z",
    transform: `translate(${middle.x} ${middle.y}) rotate(${angle})`,
  });
  return [wire, arrow];
}
