// What control saved: what it is made of, and month against month.

import { FedCard } from "./card.js";
import { columnChart } from "./columns.js";
import { element, empty } from "./dom.js";
import { kilograms, money, month, number, percent } from "./format.js";
import { legend, walked } from "./svg.js";
import { table } from "./table.js";

const PARTS = [
  ["demand", "savings.demand", "var(--primary-color)"],
  ["arbitrage", "savings.arbitrage", "var(--energy-battery-out-color, #4db6ac)"],
  ["pv", "savings.pv", "var(--energy-solar-color, #ff9800)"],
  ["wear", "savings.wear", "var(--error-color)"],
];

export class SavingsCard extends FedCard {
  static feed = "savings";
  static about = ["savings_month", "savings_year", "bill_month"];

  drawFed({ month: running, months, shadow_month: shadow, currency }) {
    const { hass, say } = this;
    if (!running) {
      this._body.replaceChildren(empty(say("savings.nothing")));
      return;
    }
    if (!running.has_money) {
      this._body.replaceChildren(
        empty(say("savings.no_money"), { href: "/config/integrations/integration/computeload", words: "Computeload" }),
      );
      return;
    }
    const amount = (value) => money(hass, value, currency);
    const figures = PARTS.map(([part, name, colour]) => ({ part, name, colour, told: element("b") }));
    const note = element("p", { class: "note", role: "status" });
    const { svg, at, mark } = columnChart({
      width: this._drawnWidth,
      words: `${say("savings.chart")}. ${say("common.keys")}`,
      names: months.map((each) => month(hass, each.month)),
      stacks: months.map(({ saved }) => PARTS.map(([kind]) => ({ kind, value: saved[kind] }))),
      name: (value) => money(hass, value, currency, 0),
    });
    const show = (index) => {
      const { month: label, saved, bill, without } = months[index];
      mark(index);
      for (const { part, told } of figures) told.textContent = amount(saved[part]);
      note.textContent = say("savings.month_words", {
        month: month(hass, label, "long"),
        saved: amount(saved.total),
        bill: amount(bill.total),
        without: amount(without.total),
      });
    };
    this._body.replaceChildren(
      element(
        "div",
        { class: "legend" },
        ...figures.map(({ name, colour, told }) => legend(colour, say(name), told)),
      ),
      walked(svg, { count: months.length, start: months.length - 1, at, show }),
      note,
      table(
        [
          { title: say("savings.month"), of: (each) => element("span", { class: "name" }, month(hass, each.month)) },
          { title: say("savings.bill"), figure: true, of: ({ bill }) => amount(bill.total) },
          { title: say("savings.without"), figure: true, of: ({ without }) => amount(without.total) },
          { title: say("savings.saved"), figure: true, of: ({ saved }) => amount(saved.total) },
          months.some((each) => each.co2_saved_g !== null) && {
            title: say("savings.co2"),
            figure: true,
            of: (each) => kilograms(hass, each.co2_saved_g),
          },
        ].filter(Boolean),
        [...months].reverse(),
        say("savings.chart"),
      ),
      element(
        "p",
        { class: "muted" },
        [
          running.coverage === null ? null : say("savings.coverage", { share: percent(hass, running.coverage) }),
          shadow ? say("savings.shadow", { saved: amount(shadow.saved.total) }) : null,
        ]
          .filter(Boolean)
          .join(" "),
      ),
    );
  }

  static css = `
    .name { white-space: nowrap; }
    .legend b { font-weight: 500; font-variant-numeric: tabular-nums; }
    ${PARTS.map(([part, , colour]) => `.${part} { fill: ${colour}; }`).join("\n")}
  `;
}
