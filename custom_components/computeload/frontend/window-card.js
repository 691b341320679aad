// The running metering window: what it has used, where it will end, what it may use.

import { SiteCard } from "./card.js";
import { element, empty } from "./dom.js";
import { countdown, kilowattHours, kilowatts } from "./format.js";
import { base } from "./site.js";

const WINDOW_H = 0.25;
/** Length of a metering window; the controller counts in quarter hours. */

const ALARM = 1.02;
/** The projection breathes around the target while it is held; only more than this is bad. */

export class WindowCard extends SiteCard {
  static about = ["projected_mean", "running_mean", "remaining_energy", "window_end", "target"];

  connectedCallback() {
    this._timer = setInterval(() => this._tick(), 1000);
  }

  disconnectedCallback() {
    clearInterval(this._timer);
  }

  draw(site) {
    const { hass, say } = this;
    const value = (key) => base(hass, site.entities[key]);
    const target = value("target");
    const projected = value("projected_mean");
    const left = value("remaining_energy");
    const title = element("h2", {}, say("window.title"));
    if (target === null || projected === null || left === null) {
      this._body.replaceChildren(title, empty(say("window.nothing")));
      this._clock = null;
      return;
    }
    const budget = target * WINDOW_H;
    const used = Math.max(budget - left, 0);
    const end = Math.max(projected * WINDOW_H, used, 0);
    const over = end > budget * ALARM;
    this._clock = element("span", { class: "clock", "aria-live": "off" });
    this._body.replaceChildren(
      element("div", { class: "row" }, title, this._clock),
      element(
        "div",
        { class: "big" },
        element("b", { class: over ? "bad" : "" }, kilowatts(hass, projected)),
        element("span", { class: "muted" }, ` ${say("window.projected", { target: kilowatts(hass, target) })}`),
      ),
      this._bar({ budget, used, end, over }),
      element(
        "div",
        { class: "row muted" },
        element("span", {}, say("window.used", { energy: kilowattHours(hass, used) })),
        element("span", {}, say(left >= 0 ? "window.left" : "window.over", { energy: kilowattHours(hass, Math.abs(left)) })),
      ),
      element(
        "div",
        { class: "row" },
        element("span", {}, say("window.billed")),
        element("b", {}, kilowatts(hass, value("billed_peak"))),
      ),
    );
    this._tick();
  }

  /** Return the bar of the energy used, expected and allowed, Wh. */
  _bar({ budget, used, end, over }) {
    const { hass, say } = this;
    const scale = Math.max(budget * 1.15, end * 1.02, 1);
    const share = (energy) => `${((100 * energy) / scale).toFixed(1)}%`;
    return element(
      "div",
      {
        class: over ? "bar over" : "bar",
        role: "meter",
        "aria-label": say("window.meter"),
        "aria-valuemin": 0,
        "aria-valuemax": (budget / 1000).toFixed(2),
        "aria-valuenow": (Math.min(used, budget) / 1000).toFixed(2),
        "aria-valuetext": say("window.used_of", { used: kilowattHours(hass, used), budget: kilowattHours(hass, budget) }),
      },
      element("i", { class: "end", style: `width:${share(end)}` }),
      element("i", { class: "used", style: `width:${share(used)}` }),
      element("i", { class: "target", style: `left:${share(budget)}` }),
    );
  }

  /** Show how much of the window is left. */
  _tick() {
    const end = Date.parse(this.hass?.states[this._site?.entities.window_end]?.state);
    if (!this._clock || Number.isNaN(end)) return;
    this._clock.textContent = this.say("window.time_left", { time: countdown((end - Date.now()) / 1000) });
  }

  static css = `
    .clock { font-variant-numeric: tabular-nums; }
    .big { margin: 12px 0; }
    .big b { font-size: 28px; font-weight: 500; }
    .bad { color: var(--error-color); }
    .bar {
      position: relative; height: 24px; border-radius: 6px; overflow: hidden;
      background: var(--divider-color); margin: 8px 0;
    }
    .bar i { position: absolute; top: 0; bottom: 0; left: 0; }
    .used { background: var(--primary-color); }
    .end {
      background: repeating-linear-gradient(
        -45deg, var(--primary-color) 0 5px, transparent 5px 10px);
      opacity: 0.6;
    }
    .over .end { background: repeating-linear-gradient(-45deg, var(--error-color) 0 5px, transparent 5px 10px); }
    .bar .target { width: 3px; margin-left: -1px; background: var(--primary-text-color); }
    .row + .row { margin-top: 12px; }
  `;
}
