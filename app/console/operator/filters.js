// @ts-check
// Whose jobs an operator wants to see.

import { element, fill, uniqueId } from "../dom.js";

/** Queue, tenant and action; calls `onChange` when one of them is another. */
export class Filters {
  /** @param {() => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    this.queue = element("select", { id: uniqueId("queue"), onchange: onChange }, element("option", { value: "default" }, "default"));
    this.tenant = this.#text("tenant");
    this.action = this.#text("action");
    this.node = element("form", { class: "filters-row", ariaLabel: "Filter jobs", onsubmit: (/** @type {Event} */ event) => event.preventDefault() });
    for (const [label, field] of [["Queue", this.queue], ["Tenant (any)", this.tenant], ["Action (any)", this.action]]) {
      this.node.append(element("div", {}, element("label", { htmlFor: field.id }, label), field));
    }
  }

  /** As the API wants it. */
  get query() {
    const query = new URLSearchParams({ queue: this.queue.value });
    for (const name of /** @type {const} */ (["tenant", "action"])) {
      if (this[name].value.trim()) {
        query.set(name, this[name].value.trim());
      }
    }
    return query;
  }

  /** @param {string} queue */
  choose(queue) {
    this.queue.value = queue;
    this.onChange();
  }

  /** Offers these queues; one that is chosen and gone stays. @param {string[]} names */
  offer(names) {
    const chosen = this.queue.value;
    const values = names.includes(chosen) ? names : [chosen, ...names];
    if (values.join() !== [...this.queue.options].map(({ value }) => value).join()) {
      fill(this.queue, ...values.map((value) => element("option", { value, selected: value === chosen }, value)));
    }
  }

  /** @param {string} name */
  #text(name) {
    return element("input", { id: uniqueId(name), autocomplete: "off", spellcheck: false, onchange: () => this.onChange() });
  }
}
