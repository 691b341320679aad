// Draws a plan's steps as panels above one axis of time.

import { drawn } from "./dom.js";
import { clock, kilowatts, money, number, percent } from "./format.js";
import { chart, label, levels, scale } from "./svg.js";

const LEFT = 48;
const GAP = 30;
const AXIS = 26;
const HEIGHTS = { power: 190, price: 64, co2: 54, soc: 48 };
const HOUR_MS = 3_600_000;
const LABEL_EVERY_H = 6;

export class PlanChart {
  constructor(hass, say, { steps, currency, jobs = [] }, width) {
    Object.assign(this, { _hass: hass, _say: say, _steps: steps, _jobs: jobs, _currency: currency, _width: width });
    this._from = steps[0].start;
    this._until = steps.at(-1).end;
    const has = (key) => steps.some((step) => step[key] !== null && step[key] !== undefined);
    const values = (...keys) => steps.flatMap((step) => keys.map((key) => step[key])).filter(Number.isFinite);
    const powers = values("load", "grid", "battery", "pv", "high");
    const highest = Math.max(...powers, 1000);
    // A target far above everything is not worth the room that it would take.
    const top = Math.max(highest, ...values("target").filter((target) => target < 1.6 * highest));
    const panels = [
      ["power", Math.min(...powers, 0), top * 1.05],
      ["price", Math.min(...values("price"), 0), Math.max(...values("price"), 0.01) * 1.05],
      ["co2", 0, Math.max(...values("co2"), 1) * 1.05],
      ["soc", 0, 1],
    ].filter(([name]) => name !== "co2" || has("co2"));
    let y = 12;
    for (const [name, low, high] of panels) {
      this[`_${name}`] = scale({ top: y, height: HEIGHTS[name] }, low, high);
      y += HEIGHTS[name] + GAP;
    }
    this._bottom = y - GAP;
    this.columns = this._columns(has);
  }

  /** What is drawn: its colour, its name, and its figure in a step. */
  _columns(has) {
    const [hass, say] = [this._hass, this._say];
    const power = (key) => (step) => kilowatts(hass, step[key]);
    return [
      { name: say("plan.load"), colour: "var(--load-color)", figure: this._load(has("low")) },
      { name: say("plan.grid"), colour: "var(--energy-grid-consumption-color, #488fc2)", figure: power("grid") },
      has("target") && { name: say("plan.target"), colour: "var(--error-color)", figure: power("target") },
      this._steps.some(({ pv }) => pv > 0) && { name: say("plan.pv"), colour: "var(--energy-solar-color, #ff9800)", figure: power("pv") },
      { name: say("plan.gives"), colour: "var(--energy-battery-out-color, #4db6ac)", figure: ({ battery }) => kilowatts(hass, Math.max(battery, 0)) },
      { name: say("plan.takes"), colour: "var(--energy-battery-in-color, #f06292)", figure: ({ battery }) => kilowatts(hass, Math.max(-battery, 0)) },
      { name: say("plan.price"), colour: "var(--secondary-text-color)", figure: ({ price }) => money(hass, price, this._currency, 3) },
      has("co2") && { name: say("plan.co2"), colour: "var(--energy-non-fossil-color, #0f9d58)", figure: ({ co2 }) => `${number(hass, co2)} g` },
      { name: say("plan.soc"), colour: "var(--energy-battery-out-color, #4db6ac)", figure: ({ soc }) => percent(hass, soc) },
    ].filter(Boolean);
  }

  _load(banded) {
    const kw = (watts) => kilowatts(this._hass, watts);
    // What is metered now has no band.
    return ({ load, low, high }) => (banded && low < high ? `${kw(load)} (${kw(low)} – ${kw(high)})` : kw(load));
  }

  draw() {
    this._mark = drawn("rect", { class: "mark", y: this._power.top, height: this._bottom - this._power.top });
    return chart(
      this._width,
      this._bottom + AXIS,
      this._say("plan.chart"),
      this._mark,
      ...this._axes(),
      drawn("path", { class: "band", d: this._band("low", "high", this._power) }),
      drawn("path", { class: "pv", d: this._area("pv", this._power) }),
      ...this._steps.filter(({ battery }) => battery).map((step) => this._bar(step)),
      drawn("path", { class: "line load", d: this._line("load", this._power) }),
      drawn("path", { class: "line grid", d: this._line("grid", this._power) }),
      drawn("path", { class: "target", d: this._line("target", this._power) }),
      drawn("path", { class: "line price", d: this._line("price", this._price) }),
      this._co2 && drawn("path", { class: "line co2", d: this._line("co2", this._co2) }),
      drawn("path", { class: "soc", d: this._area("soc", this._soc) }),
      ...this._jobs.flatMap((job) => this._start(job)),
    );
  }

  /** Return the step at a place in the chart. */
  at(x) {
    const time = this._from + ((x - LEFT) / (this._width - LEFT)) * (this._until - this._from);
    const index = this._steps.findIndex((step) => step.end > time);
    return index < 0 ? this._steps.length - 1 : index;
  }

  mark(index) {
    const { start, end } = this._steps[index];
    this._mark.setAttribute("x", this._x(start));
    this._mark.setAttribute("width", this._x(end) - this._x(start));
  }

  _bar({ start, end, battery }) {
    const [zero, tip] = [this._power(0), this._power(battery)];
    return drawn("rect", {
      class: battery > 0 ? "gives" : "takes",
      x: this._x(start),
      width: Math.max(this._x(end) - this._x(start) - 0.5, 0.5),
      y: Math.min(zero, tip),
      height: Math.abs(tip - zero),
    });
  }

  _start({ at }) {
    if (at < this._from || at >= this._until) return [];
    const [x, top] = [this._x(at), this._power.top];
    return [
      drawn("path", { class: "job", d: `M${x} ${top}V${this._power.bottom}` }),
      drawn("path", { class: "job-start", d: `M${x - 5} ${top - 8}H${x + 5}L${x} ${top}Z` }),
    ];
  }

  _axes() {
    const [hass, say] = [this._hass, this._say];
    const title = (y, words) => label(LEFT + 2, y.top - 6, words, "start");
    const made = [
      ...levels(this._power, LEFT, this._width, (watts) => (watts ? number(hass, watts / 1000) : "0 kW"), 5),
      ...levels(this._price, LEFT, this._width, (price) => number(hass, price, 2), 2),
      title(this._price, say("plan.price_axis")),
      ...levels(this._soc, LEFT, this._width, (soc) => percent(hass, soc), 1),
      title(this._soc, say("plan.soc")),
    ];
    if (this._co2) {
      made.push(...levels(this._co2, LEFT, this._width, (grams) => number(hass, grams), 2), title(this._co2, say("plan.co2_axis")));
    }
    for (let time = Math.ceil(this._from / HOUR_MS) * HOUR_MS; time < this._until; time += HOUR_MS) {
      if (new Date(time).getHours() % LABEL_EVERY_H) continue;
      const x = this._x(time);
      made.push(drawn("path", { class: "grid-line", d: `M${x} ${this._power.top}V${this._bottom}` }));
      // A name at the very edge would be cut off.
      if (x < this._width - 16) made.push(label(x, this._bottom + AXIS - 8, clock(hass, time), "middle"));
    }
    return made;
  }

  _x(time) {
    return LEFT + ((time - this._from) / (this._until - this._from)) * (this._width - LEFT);
  }

  /** Return a line in steps; where a value is missing it has a gap. */
  _line(key, y) {
    let path = "";
    let before = null;
    for (const step of this._steps) {
      const value = step[key] ?? null;
      if (value !== null) {
        const at = Math.min(Math.max(y(value), y.top), y.bottom);
        path += `${before === null ? `M${this._x(step.start)} ` : "V"}${at}H${this._x(step.end)}`;
      }
      before = value;
    }
    return path;
  }

  _area(key, y) {
    return `${this._line(key, y)}V${y(0)}H${this._x(this._from)}Z`;
  }

  /** Return the area between two columns. */
  _band(low, high, y) {
    return this._steps
      .filter((step) => Number.isFinite(step[low]))
      .map((step) => `M${this._x(step.start)} ${y(step[low])}H${this._x(step.end)}V${y(step[high])}H${this._x(step.start)}Z`)
      .join("");
  }
}
