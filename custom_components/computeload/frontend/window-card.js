// The running metering window: what it has used, where it will end, what it may use.

import { SiteCard, element, kilowattHours, kilowatts } from "./card.js";
import { base } from "./site.js";

const WINDOW_H = 0.25;
/** Length of a metering window; the controller counts in quarter hours. */

const ALARM = 1.02;
/** The projection breathes around the target while it is held; only more than this is bad. */

export class WindowCard extends SiteCard {
  connectedCallback() {
    this._timer = setInterval(() => this._tick(), 1000);
  }

  disconnectedCallback() {
    clearInterval(this._timer);
  }

  draw(site) {
    const hass = this.hass;
    const value = (key) => base(hass, site.entities[key]);
    const target = value("target");
    const projected = value("projected_mean");
    const left = value("remaining_energy");
    if (target === null || projected === null || left === null) {
      this._body.replaceChildren(
        element("h2", {}, "This quarter hour"),
        element("p", { class: "muted" }, "There is nothing to count yet: the grid meter has not reported."),
      );
      this._clock = null;
      return;
    }
    const budget = target * WINDOW_H;
    const used = Math.max(budget - left, 0);
    const end = Math.max(projected * WINDOW_H, used, 0);
    const scale = Math.max(budget * 1.15, end * 1.02, 1);
    const share = (energy) => `${((100 * energy) / scale).toFixed(1)}%`;
    const over = end > budget * ALARM;
    this._clock = element("span", { class: "clock", "aria-live": "off" });
    const bar = element(
      "div",
      {
        class: over ? "bar over" : "bar",
        role: "meter",
        "aria-label": "Energy of this window",
        "aria-valuemin": 0,
        "aria-valuemax": (budget / 1000).toFixed(2),
        "aria-valuenow": (Math.min(used, budget) / 1000).toFixed(2),
        "aria-valuetext": `${kilowattHours(hass, used)} of ${kilowattHours(hass, budget)} used`,
      },
      element("i", { class: "end", style: `width:${share(end)}` }),
      element("i", { class: "used", style: `width:${share(used)}` }),
      element("i", { class: "target", style: `left:${share(budget)}` }),
    );
    const billed = value("billed_peak");
    this._body.replaceChildren(
      element("div", { class: "head" }, element("h2", {}, "This quarter hour"), this._clock),
      element(
        "div",
        { class: "big" },
        element("b", { class: over ? "bad" : "" }, kilowatts(hass, projected)),
        element("span", { class: "muted" }, ` projected, target ${kilowatts(hass, target)}`),
      ),
      bar,
      element(
        "div",
        { class: "row muted" },
        element("span", {}, `${kilowattHours(hass, used)} used`),
        element("span", {}, left >= 0 ? `${kilowattHours(hass, left)} left` : `${kilowattHours(hass, -left)} over`),
      ),
      element("div", { class: "row" }, element("span", {}, "Billed peak so far"), element("b", {}, kilowatts(hass, billed))),
    );
    this._tick();
  }

  /** Show how much of the window is left. */
  _tick() {
    const end = Date.parse(this.hass?.states[this._site?.entities.window_end]?.state);
    if (!this._clock || Number.isNaN(end)) return;
    const seconds = Math.max(0, Math.round((end - Date.now()) / 1000));
    this._clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} left`;
  }

  static css = `
    h2 { font-size: 16px; font-weight: 500; margin: 0; }
    .head, .row { display: flex; justify-content: space-between; align-items: baseline; gap: 12px; }
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
