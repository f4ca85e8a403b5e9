// @ts-check
// Which jobs an operator wants to see.

import { element, fill, setText, uniqueId } from "../dom.js";
import { number } from "../format.js";

export const STATUSES = /** @type {const} */ ([["running", "Running"], ["waiting", "Waiting"], ["delayed", "Delayed"], ["dead", "Dead letters"]]);

/** Status, queue, tenant and action; calls `onChange` when one of them is another. */
export class Filters {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    this.name = uniqueId("status");
    /** @type {Map<string, { input: any, count: any }>} */
    this.statuses = new Map(STATUSES.map(([value]) => [value, this.#radio(value)]));
    this.queue = element("select", { id: uniqueId("queue"), onchange: onChange }, element("option", { value: "default" }, "default"));
    this.tenant = this.#text("tenant");
    this.action = this.#text("action");
    this.node = element("form", { class: "filters-row", onsubmit: (/** @type {Event} */ event) => event.preventDefault() }, this.#segments());
    for (const [label, field] of [["Queue", this.queue], ["Tenant (any)", this.tenant], ["Action (any)", this.action]]) {
      this.node.append(element("div", {}, element("label", { htmlFor: field.id }, label), field));
    }
  }

  /** @returns {string} */
  get status() {
    return STATUSES.map(([value]) => value).find((value) => this.statuses.get(value)?.input.checked) ?? "running";
  }

  /** As the API wants it. */
  get query() {
    const query = new URLSearchParams({ status: this.status, queue: this.queue.value });
    for (const name of /** @type {const} */ (["tenant", "action"])) {
      if (this[name].value.trim()) {
        query.set(name, this[name].value.trim());
      }
    }
    return query;
  }

  /** @param {string} queue @param {string} status */
  choose(queue, status) {
    this.queue.value = queue;
    const radio = this.statuses.get(status);
    if (radio) {
      radio.input.checked = true;
      radio.input.focus();
    }
    this.onChange();
  }

  /** Offers these queues, with how many jobs of the chosen one stand where. @param {any[]} queues as in the overview */
  offer(queues) {
    const names = queues.map(({ queue }) => queue);
    if (names.join() !== [...this.queue.options].map(({ value }) => value).join()) {
      const chosen = this.queue.value;
      fill(this.queue, ...names.map((value) => element("option", { value, selected: value === chosen }, value)));
    }
    const counted = queues.find(({ queue }) => queue === this.queue.value);
    for (const [status, { count }] of this.statuses) {
      setText(count, counted ? `${counted.is_exact || !counted[status] ? "" : "≥ "}${number(counted[status])}` : "");
    }
  }

  #segments() {
    const labels = STATUSES.map(([value, title]) => {
      const { input, count } = /** @type {any} */ (this.statuses.get(value));
      return element("label", {}, input, element("span", {}, title, " ", count));
    });
    return element("fieldset", { class: "segments" }, element("legend", { class: "unseen" }, "Status"), ...labels);
  }

  /** @param {string} value */
  #radio(value) {
    const input = element("input", { type: "radio", name: this.name, value, checked: value === "running", onchange: () => this.onChange() });
    return { input, count: element("span", { class: "count" }) };
  }

  /** @param {string} name */
  #text(name) {
    return element("input", { id: uniqueId(name), autocomplete: "off", spellcheck: false, onchange: () => this.onChange() });
  }
}
