// When the load is high: the mean of every hour of the week.

import { FedCard } from "./card.js";
import { drawn, element, empty } from "./dom.js";
import { kilowatts, weekday } from "./format.js";
import { chart, label, walked } from "./svg.js";

const LEFT = 40;
const AXIS = 22;
const ROW = 24;
const HOURS = 24;
const FAINTEST = 0.08;
const MOVES = {
  ArrowLeft: (index) => index - 1,
  ArrowRight: (index) => index + 1,
  ArrowUp: (index) => (index < HOURS ? index : index - HOURS),
  ArrowDown: (index, count) => (index + HOURS < count ? index + HOURS : index),
};

export class HeatCard extends FedCard {
  static feed = "peaks";
  static about = ["load_power"];

  drawFed({ heat, days }) {
    const { hass, say } = this;
    const cells = (heat ?? []).flat();
    const means = cells.filter(Boolean).map(([mean]) => mean);
    if (!means.length) {
      this._body.replaceChildren(empty(say("peaks.nothing")));
      return;
    }
    const [low, high] = [Math.min(...means), Math.max(...means)];
    const width = this._drawnWidth;
    const room = (width - LEFT) / HOURS;
    const place = (index) => ({ x: LEFT + (index % HOURS) * room, y: Math.floor(index / HOURS) * ROW });
    const strength = (mean) => FAINTEST + (1 - FAINTEST) * ((mean - low) / (high - low || 1));
    const mark = drawn("rect", { class: "pointer", width: room, height: ROW });
    const every = room < 20 ? 6 : 3;
    const svg = chart(
      width,
      7 * ROW + AXIS,
      `${say("peaks.heat_chart", { days })}. ${say("common.keys")}`,
      ...cells.map((cell, index) =>
        cell && drawn("rect", { class: "cell", ...place(index), width: room - 1, height: ROW - 1, "fill-opacity": strength(cell[0]).toFixed(3) }),
      ),
      ...heat.map((_, day) => label(LEFT - 6, day * ROW + ROW / 2 + 4, weekday(hass, day))),
      ...heat[0].map((_, hour) => (hour % every ? null : label(LEFT + hour * room, 7 * ROW + AXIS - 6, String(hour), "start"))),
      mark,
    );
    const note = element("p", { class: "note", role: "status" });
    const show = (index) => {
      for (const [name, value] of Object.entries(place(index))) mark.setAttribute(name, value);
      const hour = index % HOURS;
      const [mean, most] = (cells[index] ?? []).map((watts) => kilowatts(hass, watts));
      note.textContent = mean
        ? say("peaks.heat_words", { day: weekday(hass, Math.floor(index / HOURS)), hour: `${hour}–${hour + 1}`, mean, most })
        : say("common.no_data");
    };
    const highest = cells.reduce((best, cell, index) => ((cell?.[0] ?? -1) > (cells[best]?.[0] ?? -1) ? index : best), 0);
    this._body.replaceChildren(
      element(
        "div",
        { class: "legend muted" },
        element("span", {}, `${kilowatts(hass, low)} `, element("i", { class: "ramp" }), kilowatts(hass, high)),
        element("span", {}, say("peaks.heat_chart", { days })),
      ),
      walked(svg, {
        count: cells.length,
        start: highest,
        at: (px, py) => {
          const hour = Math.min(Math.max(Math.floor((px - LEFT) / room), 0), HOURS - 1);
          return Math.min(Math.max(Math.floor(py / ROW), 0), 6) * HOURS + hour;
        },
        show,
        moves: MOVES,
      }),
      note,
    );
  }

  static css = `
    .cell { fill: var(--primary-color); }
    .pointer { fill: none; stroke: var(--primary-text-color); stroke-width: 2; }
    .legend .ramp {
      width: 60px; height: 8px; margin: 0 6px;
      background: linear-gradient(90deg, transparent, var(--primary-color));
    }
  `;
}
