// What the controller does, and why, in plain words.

import { SiteCard, showMore } from "./card.js";
import { element, pressed } from "./dom.js";
import { kilowatts } from "./format.js";
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
  static about = ["controller", "controller_state", "controller_reason", "battery_setpoint"];

  draw(site) {
    const { hass, say } = this;
    const { controller_state: state, controller_reason: reason } = site.entities;
    const now = hass.states[state]?.state;
    const warning = this._warning(site, now);
    this._body.replaceChildren(
      pressed(
        () => state && showMore(this, state),
        { class: "head" },
        element("ha-icon", { icon: ICONS[now] ?? "mdi:help" }),
        element("b", {}, state ? shown(hass, state) : say("common.no_data")),
        element("span", { class: "muted" }, this._told(base(hass, site.entities.battery_setpoint))),
      ),
      element("p", {}, reason ? shown(hass, reason) : ""),
      warning ? element("p", { class: "warning", role: "status" }, warning) : "",
    );
  }

  /** Say what the batteries are told, W. */
  _told(watts) {
    if (!watts) return "";
    const values = { power: kilowatts(this.hass, Math.abs(watts)) };
    return watts > 0 ? this.say("control.giving", values) : this.say("control.taking", values);
  }

  _warning(site, now) {
    const is = (key) => this.hass.states[site.entities[key]]?.state === "on";
    if (is("peak_unavoidable")) return this.say("control.unavoidable");
    return is("peak_at_risk") && now !== "shaving" ? this.say("control.at_risk") : null;
  }

  static css = `
    .head { display: flex; align-items: center; gap: 10px; font-size: 18px; width: 100%; }
    .head b { font-weight: 500; flex: 1; }
    .head ha-icon { color: var(--primary-color); }
    .head .muted { font-size: 14px; }
    .warning { border-left: 4px solid var(--warning-color); padding-left: 10px; }
  `;
}
