// The plan: what load, PV, battery and grid will do, what energy costs meanwhile, and why.

import { SiteCard, drawn, element, kilowatts } from "./card.js";
import { shown } from "./site.js";

const WIDEST = 900;
const NARROWEST = 320;
const POWER = { top: 12, height: 190 };
const PRICE = { top: 226, height: 70 };
const SOC = { top: 320, height: 50 };
const HEIGHT = 396;
const LEFT = 44;
const HOUR_MS = 3_600_000;
const LABEL_EVERY_H = 6;

const WHY = {
  cheap: "energy is cheap now",
  surplus: "there is more PV than load",
  peak: "the peak would be higher otherwise",
  dear: "energy is dear now",
  limit: "the connection can carry no more",
  reserve: "the backup reserve is kept",
  guard: "its energy is kept for a peak that comes unforeseen",
  keep: "its energy will be worth more later",
  wear: "moving energy is not worth its losses and wear",
};

export class PlanCard extends SiteCard {
  connectedCallback() {
    this._subscribe();
    this._resized = new ResizeObserver(() => {
      if (this._body && this._plan && this._width() !== this._drawnWidth) this._draw();
    });
    this._resized.observe(this);
  }

  disconnectedCallback() {
    this._resized.disconnect();
    this._unsubscribe?.then((stop) => stop(), () => {});
    this._unsubscribe = null;
  }

  _watched(site) {
    return [site.entities.plan_status].filter(Boolean);
  }

  /** Return how wide the chart is drawn: letters keep their size on a phone. */
  _width() {
    const inside = this._body.clientWidth - 32;
    return inside > 0 ? Math.min(Math.max(inside, NARROWEST), WIDEST) : WIDEST;
  }

  /** Ask for the plan once the connection is there; it is sent again whenever it is renewed. */
  _subscribe() {
    if (this._unsubscribe || !this.isConnected || !this.hass || !this._site) return;
    const message = { type: "computeload/plan", site: this._site.id };
    this._unsubscribe = this.hass.connection.subscribeMessage((plan) => {
      this._plan = plan;
      this._draw();
    }, message);
    this._unsubscribe.catch(() => (this._unsubscribe = null));
  }

  draw(site) {
    this._subscribe();
    const status = site.entities.plan_status;
    const steps = this._plan?.steps ?? [];
    if (!steps.length) {
      this._body.replaceChildren(
        element("p", { class: "muted" }, "There is no plan yet. It is made as soon as the grid meter has reported."),
      );
      return;
    }
    this._drawnWidth = this._width();
    const chart = new Chart(this.hass, steps, this._drawnWidth);
    this._note = element("p", { class: "note", role: "status" }, chart.words(0));
    const svg = chart.draw();
    svg.addEventListener("pointermove", (event) => this._show(chart, chart.at(svg, event)));
    svg.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!move) return;
      event.preventDefault();
      this._show(chart, Math.min(Math.max((this._index ?? 0) + move, 0), steps.length - 1));
    });
    this._body.replaceChildren(
      element("div", { class: "legend" }, ...chart.legend(), element("span", { class: "muted" }, status ? shown(this.hass, status) : "")),
      svg,
      this._note,
    );
    this._index = 0;
  }

  _show(chart, index) {
    if (index === this._index) return;
    this._index = index;
    this._note.textContent = chart.words(index);
    chart.mark(index);
  }

  getCardSize() {
    return 8;
  }

  static css = `
    svg { width: 100%; height: auto; display: block; touch-action: pan-y; }
    svg:focus-visible { outline: 2px solid var(--primary-color); outline-offset: 2px; }
    text { font-size: 11px; fill: var(--secondary-text-color); }
    .grid-line { stroke: var(--divider-color); stroke-width: 1; }
    .load { stroke: var(--primary-color); }
    .grid { stroke: var(--energy-grid-consumption-color, #488fc2); }
    .line { fill: none; stroke-width: 2; }
    .target { stroke: var(--error-color); stroke-width: 1.5; stroke-dasharray: 6 4; fill: none; }
    .pv { fill: var(--energy-solar-color, #ff9800); opacity: 0.35; }
    .gives { fill: var(--energy-battery-out-color, #4db6ac); opacity: 0.8; }
    .takes { fill: var(--energy-battery-in-color, #f06292); opacity: 0.8; }
    .price { stroke: var(--secondary-text-color); }
    .soc { fill: var(--energy-battery-out-color, #4db6ac); opacity: 0.3; }
    .mark { fill: var(--primary-text-color); opacity: 0.08; }
    .legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; margin-bottom: 8px; }
    .legend i { display: inline-block; width: 14px; height: 4px; border-radius: 2px; margin-right: 6px; vertical-align: middle; }
    .note { margin: 8px 0 0; min-height: 2.8em; line-height: 1.4; }
  `;
}

const LEGEND = [
  ["Load", "var(--primary-color)"],
  ["Grid", "var(--energy-grid-consumption-color, #488fc2)"],
  ["Target", "var(--error-color)"],
  ["PV", "var(--energy-solar-color, #ff9800)"],
  ["Battery gives", "var(--energy-battery-out-color, #4db6ac)"],
  ["Battery takes", "var(--energy-battery-in-color, #f06292)"],
];

/** Draws a plan's steps as three panels above one axis of time. */
class Chart {
  constructor(hass, steps, width) {
    this._hass = hass;
    this._width = width;
    this._steps = steps;
    this._from = steps[0].start;
    this._until = steps.at(-1).end;
    const powers = steps.flatMap((s) => [s.load, s.grid, s.battery, s.pv]);
    const targets = steps.map((s) => s.target).filter((t) => t !== null);
    const highest = Math.max(...powers, 1000);
    // A target far above everything is not worth the room that it would take.
    const top = Math.max(highest, ...targets.filter((t) => t < 1.6 * highest));
    this._power = scale(POWER, Math.min(...powers, 0), top * 1.05);
    const prices = steps.map((s) => s.price);
    this._price = scale(PRICE, Math.min(...prices, 0), Math.max(...prices, 0.01) * 1.05);
    this._soc = scale(SOC, 0, 1);
  }

  legend() {
    return LEGEND.map(([name, colour]) => element("span", {}, element("i", { style: `background:${colour}` }), name));
  }

  draw() {
    const svg = drawn("svg", {
      viewBox: `0 0 ${this._width} ${HEIGHT}`,
      role: "img",
      tabindex: "0",
      "aria-label": "Plan of the coming hours. The arrow keys move from step to step.",
    });
    this._mark = drawn("rect", { class: "mark", y: POWER.top, height: SOC.top + SOC.height - POWER.top });
    svg.append(this._mark, ...this._axes());
    svg.append(drawn("path", { class: "pv", d: this._area("pv", this._power) }));
    for (const step of this._steps) {
      if (!step.battery) continue;
      const [zero, end] = [this._power(0), this._power(step.battery)];
      svg.append(
        drawn("rect", {
          class: step.battery > 0 ? "gives" : "takes",
          x: this._x(step.start),
          width: Math.max(this._x(step.end) - this._x(step.start) - 0.5, 0.5),
          y: Math.min(zero, end),
          height: Math.abs(end - zero),
        }),
      );
    }
    svg.append(
      drawn("path", { class: "line load", d: this._line("load", this._power) }),
      drawn("path", { class: "line grid", d: this._line("grid", this._power) }),
      drawn("path", { class: "target", d: this._line("target", this._power) }),
      drawn("path", { class: "line price", d: this._line("price", this._price) }),
      drawn("path", { class: "soc", d: this._area("soc", this._soc) }),
    );
    this.mark(0);
    return svg;
  }

  /** Return the step that a pointer is over. */
  at(svg, event) {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this._width;
    const time = this._from + ((x - LEFT) / (this._width - LEFT)) * (this._until - this._from);
    const index = this._steps.findIndex((step) => step.end > time);
    return index < 0 ? this._steps.length - 1 : index;
  }

  mark(index) {
    const step = this._steps[index];
    this._mark.setAttribute("x", this._x(step.start));
    this._mark.setAttribute("width", this._x(step.end) - this._x(step.start));
  }

  /** Say what is planned for a step, and why. */
  words(index) {
    const step = this._steps[index];
    const kw = (watts) => kilowatts(this._hass, watts);
    const moves = step.battery > 0 ? "gives" : "takes";
    const does = Math.abs(step.battery) < 1 ? "rests" : `${moves} ${kw(Math.abs(step.battery))}`;
    const target = step.target === null ? "" : ` (target ${kw(step.target)})`;
    return (
      `${this._clock(step.start)} to ${this._clock(step.end)}: the battery ${does}, because ${WHY[step.reason] ?? step.reason}. ` +
      `Load ${kw(step.load)}, PV ${kw(step.pv)}, grid ${kw(step.grid)}${target}, ` +
      `${step.price.toFixed(3)} per kWh, charged to ${Math.round(100 * step.soc)} %.`
    );
  }

  _axes() {
    const made = [];
    const label = (x, y, text, anchor = "end") => drawn("text", { x, y, "text-anchor": anchor }, text);
    for (const value of [this._power.low, 0, this._power.high]) {
      const y = this._power(value);
      if (value && Math.abs(y - this._power(0)) < 14) continue;
      made.push(drawn("path", { class: "grid-line", d: `M${LEFT} ${y}H${this._width}` }));
      made.push(label(LEFT - 4, y + 4, value ? kilowatts(this._hass, value).replace(" kW", "") : "0 kW"));
    }
    for (const value of [this._price.low, this._price.high]) {
      made.push(label(LEFT - 4, this._price(value) + 4, value.toFixed(2)));
    }
    made.push(label(LEFT + 4, PRICE.top - 4, "Price per kWh", "start"));
    made.push(label(LEFT + 4, SOC.top - 4, "State of charge", "start"));
    made.push(label(LEFT - 4, SOC.top + 8, "100 %"), label(LEFT - 4, SOC.top + SOC.height, "0 %"));
    for (let time = Math.ceil(this._from / HOUR_MS) * HOUR_MS; time < this._until; time += HOUR_MS) {
      if (new Date(time).getHours() % LABEL_EVERY_H) continue;
      const x = this._x(time);
      made.push(drawn("path", { class: "grid-line", d: `M${x} ${POWER.top}V${SOC.top + SOC.height}` }));
      made.push(label(x, HEIGHT - 6, this._clock(time), "middle"));
    }
    return made;
  }

  _clock(time) {
    const options = { hour: "2-digit", minute: "2-digit" };
    return new Date(time).toLocaleTimeString(this._hass.locale?.language ?? "en", options);
  }

  _x(time) {
    return LEFT + ((time - this._from) / (this._until - this._from)) * (this._width - LEFT);
  }

  /** Return a line in steps; where a value is missing it has a gap. */
  _line(key, y) {
    let path = "";
    let before = null;
    for (const step of this._steps) {
      const value = step[key];
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
}

/** Return what turns a value into a height; it knows its bounds. */
function scale({ top, height }, low, high) {
  const y = (value) => top + height - ((value - low) / (high - low || 1)) * height;
  return Object.assign(y, { low, high, top, bottom: top + height });
}
