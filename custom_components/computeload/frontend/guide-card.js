// The way from a new site to a controller that runs. Once it does, the card is gone.

import { FedCard } from "./card.js";
import { element } from "./dom.js";

const SETTINGS = "/config/integrations/integration/computeload";

export class GuideCard extends FedCard {
  static feed = "guide";

  /** Home Assistant takes a hidden card out of the page; this one comes back when it is needed. */
  connectedWhileHidden = true;

  drawFed({ steps, running, entry }) {
    this._show(!running);
    if (running) return;
    const { say } = this;
    const next = steps.find(({ done, needed }) => needed && !done);
    this._body.replaceChildren(
      element("h2", {}, say("guide.title")),
      element("ol", {}, ...steps.map((step) => this._step(step, step === next))),
      element("a", { href: `${SETTINGS}#config_entry=${entry}` }, say("guide.go")),
    );
  }

  _step({ key, done, needed }, isNext) {
    const { say } = this;
    const icon = done ? "mdi:check-circle" : isNext ? "mdi:arrow-right-circle" : "mdi:circle-outline";
    const word = done ? say("guide.done") : needed ? null : say("guide.optional");
    return element(
      "li",
      { class: done ? "done" : isNext ? "next" : "", "aria-current": isNext ? "step" : null },
      element("ha-icon", { icon, "aria-hidden": "true" }),
      element(
        "span",
        {},
        element("b", {}, say(`guide.${key}`)),
        word && element("small", { class: "muted" }, ` ${word}`),
        isNext ? element("small", { class: "more" }, say(`guide.${key}_more`)) : null,
      ),
    );
  }

  _show(shown) {
    if (this.hidden === !shown) return;
    this.hidden = !shown;
    const detail = { value: shown };
    this.dispatchEvent(new CustomEvent("card-visibility-changed", { detail, bubbles: true, composed: true }));
  }

  static css = `
    ol { list-style: none; padding: 0; margin: 12px 0; display: grid; gap: 8px; }
    li { display: flex; gap: 10px; align-items: flex-start; }
    li ha-icon { color: var(--secondary-text-color); --mdc-icon-size: 22px; flex: none; }
    li.done ha-icon { color: var(--success-color); }
    li.next ha-icon { color: var(--primary-color); }
    li b { font-weight: 400; }
    li.next b { font-weight: 500; }
    .more { display: block; }
  `;
}
