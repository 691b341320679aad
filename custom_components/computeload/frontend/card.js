// What the cards share: one site each, drawn anew when what they show has changed.

import { element, empty } from "./dom.js";
import { follow } from "./feed.js";
import { findSite, findSites } from "./site.js";
import { loadTexts } from "./texts.js";

/** A card about one site. A subclass says in `draw(site)` what is in it. */
export class SiteCard extends HTMLElement {
  /** What of the site's entities it is about, by translation key: there it is offered. */
  static about = [];

  setConfig(config) {
    this._config = config;
    this._seen = null;
  }

  static getStubConfig(hass) {
    return { site: findSites(hass)[0]?.id ?? "" };
  }

  static getConfigForm() {
    const selector = { device: { filter: { integration: "computeload" } } };
    return { schema: [{ name: "site", required: true, selector }] };
  }

  set hass(hass) {
    const site = this._registriesOf(hass);
    this._hass = hass;
    this._listen();
    const states = site ? this._watched(site).map((id) => hass.states[id]) : [];
    const seen = [site, hass.locale, hass.formatEntityState, ...states];
    if (this._seen?.length === seen.length && seen.every((one, i) => one === this._seen[i])) return;
    this._seen = seen;
    this._draw();
  }

  get hass() {
    return this._hass;
  }

  /** Load the texts, again after a change of language. */
  async _listen() {
    if (this._language === this._hass.language) return;
    this._language = this._hass.language;
    this.say = await loadTexts(this._hass);
    this._draw();
  }

  /** The site, looked up again only after a registry has changed. */
  _registriesOf(hass) {
    if (this._entities !== hass.entities || this._devices !== hass.devices) {
      [this._entities, this._devices] = [hass.entities, hass.devices];
      this._site = findSite(hass, this._config.site);
    }
    return this._site;
  }

  _watched(site) {
    return Object.values(site.entities);
  }

  _draw() {
    if (!this.say || !this._hass) return;
    if (!this._root) {
      this._root = this.attachShadow({ mode: "open" });
      this._body = element("div", { class: "body" });
      const style = element("style");
      style.textContent = COMMON + this.constructor.css;
      this._root.append(style, element("ha-card", {}, this._body));
    }
    // Drawing makes new elements: whoever is on one with the keyboard stays there.
    const focused = this._stops().indexOf(this._root.activeElement);
    if (this._site) this.draw(this._site);
    else this._body.replaceChildren(empty(this.say(this._config.site ? "common.gone" : "common.site_missing")));
    if (focused >= 0) this._stops()[focused]?.focus();
  }

  _stops() {
    return [...this._body.querySelectorAll("button, [tabindex]")];
  }

  getCardSize() {
    return 4;
  }

  getGridOptions() {
    return { columns: 12, rows: "auto", min_columns: 6 };
  }
}

/** A card that shows what the integration sends. A subclass says in `drawFed(data, site)` how. */
export class FedCard extends SiteCard {
  connectedCallback() {
    this._subscribe();
    this._resized = new ResizeObserver(() => {
      if (this._body && this._data && this.width() !== this._drawnWidth) this._draw();
    });
    this._resized.observe(this);
  }

  disconnectedCallback() {
    this._resized.disconnect();
    this._stop?.();
    this._stop = null;
  }

  /** Only what is sent is shown; no state. */
  _watched() {
    return [];
  }

  /** How wide a chart is drawn: letters keep their size on a phone. */
  width() {
    const inside = this._body.clientWidth - 2 * PADDING;
    return inside > 0 ? Math.min(Math.max(inside, NARROWEST), WIDEST) : WIDEST;
  }

  _subscribe() {
    if (this._stop || !this.isConnected || !this._hass || !this._site) return;
    this._stop = follow(this._hass.connection, this.constructor.feed, this._site.id, (sent) => {
      this._data = sent;
      this._draw();
    });
  }

  draw(site) {
    this._subscribe();
    this._drawnWidth = this.width();
    if (!this._data) return;
    const problem = this._data.problem ?? this._data.refused;
    if (this._data.stopped) this._body.replaceChildren(empty(this.say("common.stopped")));
    else if (problem) this._body.replaceChildren(empty(this.say("common.failed", { problem })));
    else this.drawFed(this._data, site);
  }
}

/** Open Home Assistant's own page about an entity. */
export function showMore(from, entityId) {
  const detail = { entityId };
  from.dispatchEvent(new CustomEvent("hass-more-info", { detail, bubbles: true, composed: true }));
}

const PADDING = 16;
const NARROWEST = 280;
const WIDEST = 1200;

const COMMON = `
  :host { --load-color: var(--purple-color, #926bc7); }
  ha-card { height: 100%; box-sizing: border-box; }
  .body { padding: ${PADDING}px; color: var(--primary-text-color); line-height: 1.4; }
  .muted { color: var(--secondary-text-color); }
  h2 { font-size: 16px; font-weight: 500; margin: 0; }
  p { margin: 8px 0 0; }
  a { color: inherit; }
  .empty p { margin: 0 0 8px; color: var(--secondary-text-color); }
  .row { display: flex; justify-content: space-between; align-items: baseline; gap: 12px; }
  .note { margin: 8px 0 0; min-height: 2.8em; }
  button {
    font: inherit; color: inherit; background: none; border: 0; padding: 0; margin: 0;
    cursor: pointer; text-align: inherit;
  }
  :focus-visible { outline: 2px solid var(--primary-color); outline-offset: 2px; }
  svg { width: 100%; height: auto; display: block; touch-action: pan-y; }
  text { font-size: 11px; fill: var(--secondary-text-color); }
  .mark { fill: var(--primary-text-color); opacity: 0.08; }
  .grid-line { stroke: var(--divider-color); stroke-width: 1; }
  .legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 13px; margin: 0 0 8px; }
  .legend i {
    display: inline-block; width: 14px; height: 4px; border-radius: 2px; margin-right: 6px;
    vertical-align: middle;
  }
  table { border-collapse: collapse; width: 100%; font-size: 14px; }
  th { font-weight: 500; color: var(--secondary-text-color); font-size: 13px; }
  th, td { padding: 6px 8px; text-align: start; border-bottom: 1px solid var(--divider-color); }
  tr:last-child > * { border-bottom: 0; }
  th:first-child, td:first-child { padding-left: 0; }
  th:last-child, td:last-child { padding-right: 0; }
  .figure { text-align: end; font-variant-numeric: tabular-nums; white-space: nowrap; }
  .scroll { overflow-x: auto; }
`;
