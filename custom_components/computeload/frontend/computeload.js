// What Home Assistant loads on every page: the dashboard strategy and its cards.

import { ControlCard } from "./control-card.js";
import { FlowCard } from "./flow-card.js";
import { PlanCard } from "./plan-card.js";
import { ComputeloadStrategy } from "./strategy.js";
import { WindowCard } from "./window-card.js";

// While it boots, Home Assistant replaces the registry of custom elements: what is defined
// before is lost without a word. Its own first element is defined after that.
await customElements.whenDefined("home-assistant");

const ELEMENTS = {
  "computeload-control-card": ControlCard,
  "computeload-flow-card": FlowCard,
  "computeload-plan-card": PlanCard,
  "computeload-window-card": WindowCard,
  "ll-strategy-dashboard-computeload": ComputeloadStrategy,
};
for (const [name, element] of Object.entries(ELEMENTS)) {
  if (!customElements.get(name)) customElements.define(name, element);
}

window.customStrategies ??= [];
window.customStrategies.push({
  type: "computeload",
  strategyType: "dashboard",
  name: "Computeload",
  description: "Power flow, the running metering window and the controller of every site",
});
