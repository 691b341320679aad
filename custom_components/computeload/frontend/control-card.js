// What the controller does, and why, in plain words.

import { SiteCard, element, kilowatts, showMore } from "./card.js";
import { base, shown } from "./site.js";

const ICONS = {
  off: "mdi:power-standby",
  observing: "mdi:eye-outline",
  idle: "mdi:sleep",
  shaving: "mdi:arrow-collapse-down",
  limiting: "mdi:shield-alert-outline",
  charging: "mdi:battery-charging",
  discharging: "mdi:battery-arrow-down",
  safe: "mdi:shield-check-outline",
  islanded: "mdi:island",
};

export class ControlCard extends SiteCard {
  draw(site) {
    const hass = this.hass;
    const { controller_state: state, controller_reason: reason } = site.entities;
    const now = hass.states[state]?.state;
    const told = base(hass, site.entities.battery_setpoint);
    const is = (key) => hass.states[site.entities[key]]?.state === "on";
    const warning = is("peak_unavoidable")
      ? "The target will not hold in this window: the batteries cannot give enough."
      : is("peak_at_risk") && now !== "shaving"
        ? "Without the batteries this window would end above the target."
        : null;
    const head = element(
      "button",
      { class: "head" },
      element("ha-icon", { icon: ICONS[now] ?? "mdi:help" }),
      element("b", {}, state ? shown(hass, state) : "No data"),
      told ? element("span", { class: "muted" }, `${told > 0 ? "giving" : "taking"} ${kilowatts(hass, Math.abs(told))}`) : "",
    );
    if (state) head.addEventListener("click", () => showMore(this, state));
    this._body.replaceChildren(
      head,
      element("p", {}, reason ? shown(hass, reason) : ""),
      warning ? element("p", { class: "warning", role: "status" }, warning) : "",
    );
  }

  static css = `
    .head { display: flex; align-items: center; gap: 10px; font-size: 18px; width: 100%; }
    .head b { font-weight: 500; flex: 1; }
    .head ha-icon { color: var(--primary-color); }
    .head .muted { font-size: 14px; }
    p { margin: 10px 0 0; line-height: 1.4; }
    .warning { border-left: 4px solid var(--warning-color); padding-left: 10px; }
  `;
}
