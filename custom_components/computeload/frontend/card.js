// What the cards share: one site each, drawn anew when one of its states has changed.

import { findSite } from "./site.js";

/** Return a power as people say it. */
export function kilowatts(hass, watts) {
  return watts === null ? "–" : `${number(hass, watts / 1000, Math.abs(watts) < 9950 ? 2 : 1)} kW`;
}

/** Return an energy as people say it. */
export function kilowattHours(hass, wattHours) {
  return wattHours === null ? "–" : `${number(hass, wattHours / 1000, 2)} kWh`;
}

function number(hass, value, digits) {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  // A rounded zero has no sign.
  const clean = Number(value.toFixed(digits)) || 0;
  return new Intl.NumberFormat(hass.locale?.language ?? "en", options).format(clean);
}

/** Return an element. Texts are set as texts: names of devices come from users. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return an SVG element. */
export function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A card about one site. A subclass says in `draw(site)` what is in it. */
export class SiteCard extends HTMLElement {
  setConfig(config) {
    if (!config.site) throw new Error("site: the id of the site's device is missing");
    this._config = config;
    this._seen = null;
  }

  set hass(hass) {
    const site = this._registriesOf(hass);
    this._hass = hass;
    const states = site ? this._watched(site).map((id) => hass.states[id]) : [];
    const seen = [site, hass.locale, hass.formatEntityState, ...states];
    if (this._seen?.length === seen.length && seen.every((one, i) => one === this._seen[i])) return;
    this._seen = seen;
    this._draw();
  }

  get hass() {
    return this._hass;
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
    if (!this._root) {
      this._root = this.attachShadow({ mode: "open" });
      this._body = element("div", { class: "body" });
      const style = element("style");
      style.textContent = COMMON + this.constructor.css;
      this._root.append(style, element("ha-card", {}, this._body));
    }
    // Drawing makes new elements: whoever is on a button with the keyboard stays there.
    const focused = [...this._body.querySelectorAll("button")].indexOf(this._root.activeElement);
    if (this._site) this.draw(this._site);
    else this._body.replaceChildren("This site is not there any more.");
    if (focused >= 0) this._body.querySelectorAll("button")[focused]?.focus();
  }

  getCardSize() {
    return 4;
  }

  getGridOptions() {
    return { columns: 12, rows: "auto", min_columns: 6 };
  }
}

/** Open Home Assistant's own page about an entity. */
export function showMore(from, entityId) {
  const detail = { entityId };
  from.dispatchEvent(new CustomEvent("hass-more-info", { detail, bubbles: true, composed: true }));
}

const COMMON = `
  ha-card { height: 100%; box-sizing: border-box; }
  .body { padding: 16px; color: var(--primary-text-color); }
  .muted { color: var(--secondary-text-color); }
  button {
    font: inherit; color: inherit; background: none; border: 0; padding: 0; margin: 0;
    cursor: pointer; text-align: inherit;
  }
  button:focus-visible { outline: 2px solid var(--primary-color); outline-offset: 2px; }
`;
