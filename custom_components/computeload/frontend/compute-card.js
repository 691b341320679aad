// The clusters of a site: their nodes, their jobs by energy and money, their queue and what it brings.

import { FedCard } from "./card.js";
import { element, empty } from "./dom.js";
import { dayAndClock, kilograms, kilowattHours, kilowatts, money, number } from "./format.js";
import { table } from "./table.js";

const ADD = "/config/integrations/integration/computeload";
const SHOWN = 8;
/** So many jobs of a kind have a row; the rest is counted. */

export class ComputeCard extends FedCard {
  static feed = "compute";
  static about = ["jobs_running", "jobs_pending", "nodes_busy", "next_step"];

  drawFed({ clusters, currency }) {
    const { say } = this;
    this._body.replaceChildren(
      ...(clusters.length
        ? clusters.map((cluster) => this._cluster(cluster, currency))
        : [
            element("h2", {}, say("compute.no_cluster")),
            empty(say("compute.no_cluster_more"), { href: ADD, words: say("compute.add_cluster") }),
          ]),
    );
  }

  _cluster({ name, error, jobs, nodes, running, pending, step, top }, currency) {
    const { hass, say } = this;
    const head = [
      element("h2", {}, name),
      error ? element("p", { class: "warning" }, say("common.failed", { problem: error })) : null,
    ];
    if (!jobs) return element("section", {}, ...head);
    const byEnergy = [...running].sort((a, b) => b.energy_wh - a.energy_wh || b.power_w - a.power_w);
    return element(
      "section",
      {},
      ...head,
      this._counts(jobs, nodes),
      element("p", {}, step ? say("compute.next_step", { time: dayAndClock(hass, step.start), power: kilowatts(hass, step.power_w) }) : say("compute.no_step")),
      ...this._rows("compute.running", byEnergy, [...this._who(), ...this._used(currency, byEnergy)]),
      ...this._rows("compute.waiting", pending, [
        ...this._who(),
        { title: say("compute.power"), figure: true, of: (job) => kilowatts(hass, job.power_w) },
        { title: say("compute.waits"), figure: true, of: (job) => this._start(job) },
      ]),
      ...this._rows("compute.users", top.user, [
        { title: say("compute.user"), of: (use) => use.name },
        ...this._energy(currency, top.user),
      ]),
      running.length || pending.length ? null : element("p", { class: "muted" }, say("compute.no_jobs")),
    );
  }

  /** Return how many nodes and jobs there are. */
  _counts(jobs, { busy, idle, down }) {
    const { hass, say } = this;
    const count = (value, words) => element("span", {}, `${words}: `, element("b", {}, number(hass, value)));
    return element(
      "div",
      { class: "counts" },
      element("span", {}, say("compute.nodes_state", { busy: number(hass, busy), total: number(hass, busy + idle + down) })),
      count(jobs.running, say("compute.running")),
      count(jobs.pending, say("compute.waiting")),
      jobs.held ? count(jobs.held, say("compute.held")) : null,
    );
  }

  _rows(title, rows, columns) {
    if (!rows.length) return [];
    const words = this.say(title);
    const hidden = rows.length - SHOWN;
    return [
      element("h3", {}, words),
      table(columns, rows.slice(0, SHOWN), words),
      hidden > 0 ? element("p", { class: "muted" }, this.say("flow.more", { count: number(this.hass, hidden) })) : null,
    ];
  }

  _who() {
    return [
      { title: this.say("compute.job"), of: ({ id, name, tasks }) => `${name || id}${tasks > 1 ? ` × ${number(this.hass, tasks)}` : ""}` },
      { title: this.say("compute.user"), of: ({ user }) => user },
    ];
  }

  _used(currency, jobs) {
    const power = { title: this.say("compute.power"), figure: true, of: (job) => kilowatts(this.hass, job.power_w) };
    return [power, ...this._energy(currency, jobs)];
  }

  _energy(currency, uses) {
    const { hass, say } = this;
    const all = [
      { title: say("compute.energy"), figure: true, of: (use) => kilowattHours(hass, use.energy_wh) },
      { title: say("compute.cost"), figure: true, of: (use) => money(hass, use.cost, currency) },
      { title: say("compute.co2"), figure: true, of: (use) => kilograms(hass, use.co2_g || null) },
    ];
    // Without a source for the grid's CO2 there is nothing to say of it.
    return uses.some((use) => use.co2_g) ? all : all.slice(0, -1);
  }

  _start({ held, start }) {
    if (held) return this.say("compute.held");
    return start ? dayAndClock(this.hass, start) : "–";
  }

  static css = `
    section + section { margin-top: 24px; }
    h3 { font-size: 14px; font-weight: 500; margin: 16px 0 4px; }
    .counts { display: flex; flex-wrap: wrap; gap: 4px 20px; margin-top: 8px; }
    .warning { border-left: 4px solid var(--warning-color); padding-left: 10px; }
  `;
}
