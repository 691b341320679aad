// Which views there are. Made anew when a registry changes.

import { findSites } from "./site.js";
import { loadTexts } from "./texts.js";
import { emptyView, siteViews, sitesView } from "./views.js";

export class ComputeloadStrategy extends HTMLElement {
  static registryDependencies = ["entities", "devices"];

  static async getConfigElement() {
    return document.createElement("computeload-strategy-editor");
  }

  /** `config.site` chooses one site; without it the dashboard shows all there are. */
  static async generate(config, hass) {
    const say = await loadTexts(hass);
    const all = findSites(hass);
    const chosen = config.site ? all.filter(({ id }) => id === config.site) : all;
    if (!chosen.length) return { views: [emptyView(say)] };
    if (chosen.length === 1) return { views: siteViews(hass, say, chosen[0]) };
    const views = chosen.flatMap((site, i) =>
      siteViews(hass, say, site).map((view) => ({
        ...view,
        title: `${site.name}: ${view.title}`,
        path: `${view.path}-${i + 1}`,
        subview: true,
      })),
    );
    return { views: [sitesView(say, chosen), ...views] };
  }
}
