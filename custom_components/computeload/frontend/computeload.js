// What Home Assistant loads on every page: the dashboard strategy and its cards.

import { ComputeCard } from "./compute-card.js";
import { ControlCard } from "./control-card.js";
import { CulpritCard } from "./culprit-card.js";
import { DurationCard } from "./duration-card.js";
import { FlowCard } from "./flow-card.js";
import { GuideCard } from "./guide-card.js";
import { HealthCard } from "./health-card.js";
import { HeatCard } from "./heat-card.js";
import { PeaksCard } from "./peaks-card.js";
import { PlanCard } from "./plan-card.js";
import { SavingsCard } from "./savings-card.js";
import { findSite } from "./site.js";
import { ComputeloadStrategy } from "./strategy.js";
import { StrategyEditor } from "./strategy-editor.js";
import { loadTexts, said } from "./texts.js";
import { WindowCard } from "./window-card.js";

const CARDS = {
  flow: FlowCard,
  window: WindowCard,
  control: ControlCard,
  plan: PlanCard,
  compute: ComputeCard,
  peaks: PeaksCard,
  duration: DurationCard,
  heat: HeatCard,
  culprit: CulpritCard,
  savings: SavingsCard,
  health: HealthCard,
  guide: GuideCard,
};

// While it boots, Home Assistant replaces the registry of custom elements: what is defined
// before is lost without a word. Its own first element is defined after that.
await customElements.whenDefined("home-assistant");

const define = (name, element) => customElements.get(name) ?? customElements.define(name, element);
define("ll-strategy-dashboard-computeload", ComputeloadStrategy);
define("computeload-strategy-editor", StrategyEditor);
for (const [name, card] of Object.entries(CARDS)) define(`computeload-${name}-card`, card);

/** Return a card where somebody looks for one about an entity of ours that it shows. */
function suggested(hass, id, name, card) {
  const { platform, device_id: site, translation_key: key } = hass.entities[id] ?? {};
  if (platform !== "computeload" || !card.about.includes(key) || !findSite(hass, site)) return null;
  return { config: { type: `custom:computeload-${name}-card`, site } };
}

// Read when somebody adds a dashboard or a card, by which time the texts are there.
(window.customStrategies ??= []).push({
  type: "computeload",
  strategyType: "dashboard",
  name: "Computeload",
  get description() {
    return said("about.dashboard");
  },
});
(window.customCards ??= []).push(
  ...Object.entries(CARDS).map(([name, card]) => ({
    type: `computeload-${name}-card`,
    preview: true,
    getEntitySuggestion: (hass, id) => suggested(hass, id, name, card),
    get name() {
      return said(`about.${name}`);
    },
    get description() {
      return said(`about.${name}_more`);
    },
  })),
);

await window.hassConnection;
const home = document.querySelector("home-assistant");
while (!home.hass?.loadBackendTranslation) await new Promise((soon) => setTimeout(soon, 100));
await loadTexts(home.hass);
