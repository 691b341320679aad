// The load duration curve: for how much of the time the grid power was how high.

import { FedCard } from "./card.js";
import { drawn, element, empty } from "./dom.js";
import { kilowatts, number, percent } from "./format.js";
import { chart, label, legend, levels, scale, walked } from "./svg.js";

const LEFT = 48;
const TOP = 10;
const HEIGHT = 170;
const AXIS = 24;

export class DurationCard extends FedCard {
  static feed = "peaks";
  static about = ["headroom"];

  drawFed({ duration, days }) {
    const { hass, say } = this;
    const { with: held = [], without = [] } = duration ?? {};
    if (!held.length) {
      this._body.replaceChildren(empty(say("peaks.nothing")));
      return;
    }
    const last = held.length - 1;
    const width = this._drawnWidth;
    const y = scale({ top: TOP, height: HEIGHT }, Math.min(0, held[last]), Math.max(held[0], without[0] ?? 0) * 1.05);
    const x = (index) => LEFT + (index / last) * (width - LEFT - 8);
    const curve = (kind, values) =>
      drawn("path", { class: `line ${kind}`, d: values.map((value, i) => `${i ? "L" : "M"}${x(i)} ${y(value)}`).join("") });
    const mark = drawn("path", { class: "pointer" });
    const words = say("peaks.duration_chart", { days });
    const svg = chart(
      width,
      TOP + HEIGHT + AXIS,
      `${words}. ${say("common.keys")}`,
      ...levels(y, LEFT, width - 8, (watts) => (watts ? number(hass, watts / 1000) : "0 kW")),
      curve("without", without),
      curve("held", held),
      mark,
      ...[0, 0.25, 0.5, 0.75, 1].map((share) =>
        label(x(share * last), TOP + HEIGHT + AXIS - 6, percent(hass, share), share === 1 ? "end" : "middle"),
      ),
    );
    const note = element("p", { class: "note", role: "status" });
    const show = (index) => {
      mark.setAttribute("d", `M${x(index)} ${TOP}V${TOP + HEIGHT}`);
      const values = { share: percent(hass, index / last), power: kilowatts(hass, held[index]) };
      const differs = without.length && Math.abs(without[index] - held[index]) >= 10;
      note.textContent = differs
        ? say("peaks.duration_both", { ...values, without: kilowatts(hass, without[index]) })
        : say("peaks.duration_words", values);
    };
    this._body.replaceChildren(
      element(
        "div",
        { class: "legend" },
        legend("var(--primary-color)", say("peaks.with")),
        legend("var(--secondary-text-color)", say("peaks.without")),
        element("span", { class: "muted" }, words),
      ),
      walked(svg, {
        count: held.length,
        start: 5,
        at: (px) => Math.round(((px - LEFT) / (width - LEFT - 8)) * last),
        show,
      }),
      note,
    );
  }

  static css = `
    .line { fill: none; stroke-width: 2; }
    .held { stroke: var(--primary-color); }
    .without { stroke: var(--secondary-text-color); stroke-dasharray: 5 3; }
    .pointer { stroke: var(--primary-text-color); opacity: 0.4; }
  `;
}
