// The settings of a dashboard: which site it shows.

import { element } from "./dom.js";
import { findSites } from "./site.js";
import { loadTexts } from "./texts.js";

export class StrategyEditor extends HTMLElement {
  setConfig(config) {
    this._config = config;
    this._draw();
  }

  set hass(hass) {
    const first = !this._hass;
    this._hass = hass;
    if (first) this._draw();
  }

  async _draw() {
    if (!this._hass || !this._config) return;
    const say = await loadTexts(this._hass);
    const option = (value, words) =>
      element("option", { value, selected: value === (this._config.site ?? "") ? "" : null }, words);
    const select = element(
      "select",
      {},
      option("", say("common.all_sites")),
      ...findSites(this._hass).map(({ id, name }) => option(id, name)),
    );
    select.addEventListener("change", () => this._choose(select.value));
    this.replaceChildren(element("label", {}, `${say("common.site")} `, select));
  }

  _choose(site) {
    const { site: _, ...rest } = this._config;
    const detail = { config: site ? { ...rest, site } : rest };
    this.dispatchEvent(new CustomEvent("config-changed", { detail, bubbles: true, composed: true }));
  }
}
