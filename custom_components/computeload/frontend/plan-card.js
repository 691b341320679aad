// The plan: what load, PV, battery and grid will do, what energy costs meanwhile, and why.

import { FedCard } from "./card.js";
import { element, empty } from "./dom.js";
import { clock, dayAndClock, kilowatts } from "./format.js";
import { PlanChart } from "./plan-chart.js";
import { shown } from "./site.js";
import { legend, walked } from "./svg.js";

export class PlanCard extends FedCard {
  static feed = "plan";
  static about = ["plan_status", "plan_reason", "planned_grid_power", "planned_battery_power"];

  _watched(site) {
    return [site.entities.plan_status].filter(Boolean);
  }

  drawFed(plan, site) {
    const { hass, say } = this;
    const { steps } = plan;
    if (!steps.length) {
      this._body.replaceChildren(empty(say("plan.nothing")));
      return;
    }
    const drawing = new PlanChart(hass, say, plan, this._drawnWidth);
    const figures = drawing.columns.map((column) => ({ ...column, told: element("b") }));
    const note = element("p", { class: "note", role: "status" });
    const svg = walked(drawing.draw(), {
      count: steps.length,
      start: Math.min(this._index ?? 0, steps.length - 1),
      at: (x) => drawing.at(x),
      show: (index) => {
        this._index = index;
        for (const { told, figure } of figures) told.textContent = figure(steps[index]);
        note.textContent = this._words(plan, index);
        drawing.mark(index);
      },
    });
    const status = site.entities.plan_status;
    this._body.replaceChildren(
      element(
        "div",
        { class: "legend" },
        ...figures.map(({ colour, name, told }) => legend(colour, name, told)),
        element("span", { class: "muted" }, status ? shown(hass, status) : ""),
      ),
      svg,
      note,
    );
  }

  /** Say what the battery is planned to do in a step, and why. */
  _words({ steps, jobs }, index) {
    const { hass, say } = this;
    const { start, end, battery, reason } = steps[index];
    const values = {
      from: dayAndClock(hass, start),
      until: clock(hass, end),
      why: say(`plan_reason.${reason}`) || reason,
      power: kilowatts(hass, Math.abs(battery)),
    };
    let words = say("plan.step_rests", values);
    if (battery >= 1) words = say("plan.step_gives", values);
    else if (battery <= -1) words = say("plan.step_takes", values);
    const starting = (jobs ?? []).filter(({ at }) => at >= start && at < end).map(({ name }) => name);
    return starting.length ? `${words} ${say("plan.starts", { jobs: starting.join(", ") })}` : words;
  }

  getCardSize() {
    return 8;
  }

  static css = `
    .legend b { font-weight: 500; font-variant-numeric: tabular-nums; }
    .load { stroke: var(--load-color); }
    .band { fill: var(--load-color); opacity: 0.15; }
    .grid { stroke: var(--energy-grid-consumption-color, #488fc2); }
    .line { fill: none; stroke-width: 2; }
    .target { stroke: var(--error-color); stroke-width: 1.5; stroke-dasharray: 6 4; fill: none; }
    .pv { fill: var(--energy-solar-color, #ff9800); opacity: 0.35; }
    .gives { fill: var(--energy-battery-out-color, #4db6ac); opacity: 0.8; }
    .takes { fill: var(--energy-battery-in-color, #f06292); opacity: 0.8; }
    .price { stroke: var(--secondary-text-color); }
    .co2 { stroke: var(--energy-non-fossil-color, #0f9d58); }
    .soc { fill: var(--energy-battery-out-color, #4db6ac); opacity: 0.3; }
    .job { stroke: var(--primary-text-color); stroke-width: 1; stroke-dasharray: 2 3; }
    .job-start { fill: var(--primary-text-color); }
  `;
}
