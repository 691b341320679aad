// How well every device answers, and whether what control relies on is proven.

import { FedCard } from "./card.js";
import { element, empty } from "./dom.js";
import { number, percent } from "./format.js";
import { table } from "./table.js";

const PROOF = {
  passed: ["mdi:check-circle", "good", "health.proven"],
  partly: ["mdi:progress-check", "muted", "health.partly"],
  waiting: ["mdi:timer-sand", "muted", "health.unproven"],
  failed: ["mdi:alert-circle", "bad", "health.disproven"],
};
const ADD = "/config/integrations/integration/computeload";

export class HealthCard extends FedCard {
  static feed = "health";
  static about = ["data_age", "check_site"];

  drawFed({ devices, findings, ready, accepted }) {
    const { hass, say } = this;
    if (!devices.length) {
      this._body.replaceChildren(empty(say("health.no_devices"), { href: ADD, words: say("health.add_device") }));
      return;
    }
    const wrong = devices.some(({ proof }) => proof?.verdict === "failed");
    let headline = wrong ? "health.ready_but" : "health.ready";
    if (!ready) headline = accepted ? "health.accepted" : "health.missing";
    const unseen = devices.some(({ proof }) => proof && proof.passed < proof.checks);
    this._body.replaceChildren(
      element(
        "div",
        { class: "head" },
        element("ha-icon", { class: ready ? "good" : "muted", icon: ready ? "mdi:shield-check" : "mdi:shield-outline" }),
        element("span", {}, say(headline)),
      ),
      table(
        [
          { title: say("health.device"), of: (each) => this._device(each) },
          { title: say("health.answers"), figure: true, of: (each) => percent(hass, each.answered) },
          { title: say("health.age"), figure: true, of: (each) => this._age(each) },
          {
            title: say("health.time"),
            figure: true,
            of: (each) => (each.latency_ms === null ? "–" : `${number(hass, each.latency_ms)} ms`),
          },
          { title: say("health.proof"), of: ({ proof }) => this._proof(proof) },
        ],
        devices,
      ),
      ready && unseen && !wrong ? element("p", { class: "muted" }, say("health.rest")) : "",
      ...findings.map(({ device, sentence, verdict }) =>
        element("p", { class: `finding ${verdict}` }, element("b", {}, `${device}: `), sentence),
      ),
    );
  }

  _device({ id, name, alarms, fresh }) {
    const title = id ? element("a", { href: `/config/devices/device/${id}` }, name) : name;
    const trouble = fresh ? null : element("small", { class: "bad" }, this.say("health.silent"));
    const alarm = alarms && element("small", { class: "bad" }, `${this.say("health.faults")}: ${alarms}`);
    return element("span", {}, title, trouble, alarm);
  }

  _age({ age_s: age }) {
    return age === null ? "–" : `${number(this.hass, age)} s`;
  }

  _proof(proof) {
    if (!proof) return element("span", { class: "muted" }, this.say("health.not_needed"));
    const { verdict, passed, checks } = proof;
    const [icon, kind, words] = PROOF[verdict === "passed" && passed < checks ? "partly" : verdict];
    const said = this.say(words, { passed: number(this.hass, passed), checks: number(this.hass, checks) });
    return element("span", { class: "proof" }, element("ha-icon", { class: kind, icon }), said);
  }

  static css = `
    .head { display: flex; gap: 10px; align-items: center; margin-bottom: 12px; }
    .good { color: var(--success-color); }
    .bad { color: var(--error-color); }
    td small { display: block; }
    .proof { display: inline-flex; gap: 6px; align-items: center; white-space: nowrap; }
    .proof ha-icon { --mdc-icon-size: 18px; }
    .finding { border-left: 4px solid var(--warning-color); padding-left: 10px; }
    .finding.failed { border-color: var(--error-color); }
  `;
}
