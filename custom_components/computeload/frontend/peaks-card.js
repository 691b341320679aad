// The peaks of every month, beside the target, and what of them is billed.

import { FedCard } from "./card.js";
import { columnChart } from "./columns.js";
import { element, empty } from "./dom.js";
import { dayAndClock, kilowatts, money, month, number, period } from "./format.js";
import { legend, walked } from "./svg.js";
import { table } from "./table.js";

export class PeaksCard extends FedCard {
  static feed = "peaks";
  static about = ["billed_peak", "target_peak"];

  drawFed({ months, target_w: target, billed, currency }) {
    const { hass, say } = this;
    if (!months.length) {
      this._body.replaceChildren(empty(say("peaks.nothing")));
      return;
    }
    const note = element("p", { class: "note", role: "status" });
    const { svg, at, mark } = columnChart({
      width: this._drawnWidth,
      words: `${say("peaks.chart")}. ${say("common.keys")}`,
      names: months.map((each) => month(hass, each.month)),
      stacks: months.map(({ mean_w: value }, i) => [{ kind: i === months.length - 1 ? "running" : "past", value }]),
      lines: [{ kind: "target", value: target }],
      name: (watts) => (watts ? number(hass, watts / 1000) : "0 kW"),
    });
    const show = (index) => {
      const { month: label, mean_w: watts, start } = months[index];
      mark(index);
      note.textContent = say("peaks.month_words", {
        month: month(hass, label, "long"),
        peak: kilowatts(hass, watts),
        when: dayAndClock(hass, start),
      });
    };
    this._body.replaceChildren(
      element(
        "div",
        { class: "legend" },
        legend("var(--primary-color)", say("peaks.peak")),
        legend("var(--error-color)", say("common.target"), element("b", {}, kilowatts(hass, target))),
      ),
      walked(svg, { count: months.length, start: months.length - 1, at, show }),
      note,
      billed.length
        ? table(
            [
              { title: say("peaks.charge"), of: ({ name }) => name },
              { title: say("savings.month"), of: (each) => period(hass, each.period) },
              { title: say("peaks.peak"), figure: true, of: (each) => `${number(hass, each.billed, 2)} ${each.unit}` },
              { title: say("peaks.amount"), figure: true, of: ({ amount }) => money(hass, amount, currency) },
            ],
            billed,
          )
        : element("p", { class: "muted" }, say("peaks.no_charge")),
    );
  }

  static css = `
    .running { fill: var(--primary-color); }
    .past { fill: var(--primary-color); opacity: 0.55; }
    .target { stroke: var(--error-color); stroke-width: 1.5; stroke-dasharray: 6 4; fill: none; }
  `;
}
