// @ts-check
// The last fifteen minutes, as the node has seen them.

import { element, fill, uniqueId } from "../dom.js";
import { Chart } from "./chart.js";

const ALL = "";

/** Four charts; those of queues are of all queues together, or of one. */
export class Charts {
  /** @type {any} */
  #history;

  constructor() {
    this.depth = new Chart({ title: "Queue depth", unit: "jobs", kind: "count", series: ["waiting", "delayed", "dead"] });
    this.oldest = new Chart({ title: "Oldest waiting job", unit: "age", kind: "time", series: ["oldest"] });
    this.running = new Chart({ title: "Running jobs", unit: "jobs", kind: "count", series: ["running"] });
    this.connections = new Chart({ title: "Connections", unit: "all nodes", kind: "count", series: ["connections"] });
    this.queue = element("select", { id: uniqueId("queue"), onchange: () => this.#paint() }, element("option", { value: ALL }, "all queues"));
    const choice = element("div", { class: "row end" }, element("label", { htmlFor: this.queue.id }, "Queue"), this.queue);
    const title = element("div", { class: "title" }, element("h2", {}, "Last 15 minutes"), choice);
    const charts = [this.depth, this.oldest, this.running, this.connections].map(({ node }) => node);
    this.node = element("section", { ariaLabel: "Last 15 minutes", class: "stack" }, title, element("div", { class: "charts" }, ...charts));
  }

  /** Unix seconds of the newest point; -Infinity: there is none. */
  get newestAt() {
    return this.#history?.points.at(-1)?.at ?? -Infinity;
  }

  /** @param {any} history */
  show(history) {
    this.#history = history;
    this.#offer();
    this.#paint();
  }

  #offer() {
    const names = new Set(this.#history.points.flatMap((/** @type {any} */ { queues }) => Object.keys(queues)));
    const values = [ALL, ...[...names].sort()];
    if (values.join() !== [...this.queue.options].map(({ value }) => value).join()) {
      const chosen = this.queue.value;
      fill(this.queue, ...values.map((value) => element("option", { value, selected: value === chosen }, value || "all queues")));
    }
  }

  #paint() {
    const { points, step_s } = this.#history ?? { points: [], step_s: 15 };
    const charted = (/** @type {(point: any) => (number | null)[]} */ values) => points.map((/** @type {any} */ point) => ({ at: point.at, values: values(point) }));
    this.depth.show(charted(({ queues }) => ["waiting", "delayed", "dead"].map((standing) => this.#sum(queues, standing))), step_s);
    this.oldest.show(charted(({ queues }) => [this.#oldest(queues)]), step_s);
    this.running.show(charted(({ running }) => [running]), step_s);
    this.connections.show(charted(({ connections }) => [connections]), step_s);
  }

  /** @param {Record<string, any>} queues @returns {any[]} */
  #chosen(queues) {
    return Object.entries(queues).flatMap(([name, queue]) => (this.queue.value === ALL || this.queue.value === name ? [queue] : []));
  }

  /** @param {Record<string, any>} queues @param {string} standing */
  #sum(queues, standing) {
    return this.#chosen(queues).reduce((sum, queue) => sum + queue[standing], 0);
  }

  /** @param {Record<string, any>} queues 0 where nothing waits */
  #oldest(queues) {
    return Math.max(0, ...this.#chosen(queues).map(({ oldest_age_s }) => oldest_age_s ?? 0));
  }
}
