// Who made a billed peak: what drew it, what the battery did, what would have helped.

import { FedCard } from "./card.js";
import { element, empty } from "./dom.js";
import { clock, dayAndClock, kilowattHours, kilowatts, money, number, period } from "./format.js";
import { table } from "./table.js";

export class CulpritCard extends FedCard {
  static feed = "peaks";
  static about = ["billed_peak"];

  drawFed({ stories, billed, currency }) {
    const { hass, say } = this;
    if (!stories.length) {
      this._body.replaceChildren(empty(say(billed.length ? "peaks.no_story" : "peaks.no_charge")));
      return;
    }
    const chosen = Math.min(this._chosen ?? 0, stories.length - 1);
    const story = stories[chosen];
    const kw = (value) => kilowatts(hass, value === null ? null : value * 1000);
    const { avoided_by: avoided, battery } = story;
    this._body.replaceChildren(
      stories.length > 1 ? this._choice(stories, chosen) : "",
      element(
        "h2",
        {},
        say("peaks.story", {
          power: kw(story.import_kw),
          from: dayAndClock(hass, Date.parse(story.start)),
          until: clock(hass, Date.parse(story.end)),
        }),
      ),
      element(
        "p",
        { class: "muted" },
        say("peaks.story_cost", {
          charge: story.charge,
          period: period(hass, story.period),
          billed: `${number(hass, story.billed, 2)} ${this._unit(billed, story)}`,
          cost: money(hass, story.cost, currency),
        }),
      ),
      table(
        [
          { title: say("peaks.branch"), of: (part) => this._name(part) },
          { title: say("peaks.drew"), figure: true, of: (part) => kw(part.power_kw) },
          { title: say("peaks.usual"), figure: true, of: (part) => kw(part.usual_kw) },
          { title: say("peaks.above"), figure: true, of: (part) => kw(part.above_usual_kw) },
        ],
        story.parts,
      ),
      element("p", {}, say(`battery_cause.${battery.cause}`)),
      avoided.more_kw > 0
        ? element(
            "p",
            {},
            say("peaks.helped", {
              level: kw(avoided.down_to_kw),
              power: kw(avoided.more_kw),
              energy: kilowattHours(hass, avoided.more_kwh * 1000),
              saves: money(hass, avoided.saves, currency),
            }),
          )
        : "",
    );
  }

  /** The unit of what a charge bills: of some it is not power. */
  _unit(billed, { charge, time_class: slot }) {
    return billed.find(({ name }) => name === charge || name === `${charge} ${slot}`)?.unit ?? "kW";
  }

  _choice(stories, chosen) {
    const select = element(
      "select",
      { "aria-label": this.say("peaks.choose") },
      ...stories.map(({ charge, time_class: slot }, index) =>
        element("option", { value: index, selected: index === chosen ? "" : null }, charge === slot ? charge : `${charge}, ${slot}`),
      ),
    );
    select.addEventListener("change", () => {
      this._chosen = Number(select.value);
      this._draw();
    });
    return select;
  }

  _name({ name, could_have_avoided_it: enough }) {
    const title = element("span", {}, name ?? this.say("common.unmetered"));
    return enough ? element("span", {}, title, element("small", { class: "muted" }, this.say("peaks.alone"))) : title;
  }

  static css = `
    select {
      font: inherit; color: inherit; background: var(--secondary-background-color);
      border: 1px solid var(--divider-color); border-radius: 8px; padding: 6px 8px; margin-bottom: 12px; max-width: 100%;
    }
    .scroll { margin: 12px 0; }
    td small { display: block; }
  `;
}
