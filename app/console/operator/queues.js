// @ts-check
// What waits in every queue, and whose it is.

import { badge, element, setText } from "../dom.js";
import { number } from "../format.js";
import { counted } from "./standings.js";
import { Table, textColumn } from "./table.js";
import { age } from "./times.js";

const STANDINGS = /** @type {const} */ ([["waiting", "Waiting"], ["running", "Running"], ["delayed", "Delayed"], ["dead", "Dead"]]);

/** A card for each queue. */
export class Queues {
  /** @type {Map<string, QueueCard>} */
  #cards = new Map();

  /** @param {(queue: string, status: string) => void} onChoose somebody wants to see these jobs */
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.list = element("div", { class: "queues" });
    this.node = element("section", { ariaLabel: "Queues", class: "stack" }, element("h2", {}, "Queues"), this.list);
  }

  /** @param {any[]} queues as in the overview */
  show(queues) {
    const names = new Set(queues.map(({ queue }) => queue));
    for (const [name, card] of this.#cards) {
      if (!names.has(name)) {
        card.node.remove();
        this.#cards.delete(name);
      }
    }
    queues.forEach((queue, at) => this.#show(queue, at));
  }

  /** @param {any} queue @param {number} at */
  #show(queue, at) {
    const card = this.#cards.get(queue.queue) ?? new QueueCard(queue.queue, this.onChoose);
    this.#cards.set(queue.queue, card);
    if (this.list.children[at] !== card.node) {
      this.list.insertBefore(card.node, this.list.children[at] ?? null);
    }
    card.show(queue);
  }
}

class QueueCard {
  /** @param {string} name @param {(queue: string, status: string) => void} onChoose */
  constructor(name, onChoose) {
    this.counts = new Map(STANDINGS.map(([standing]) => [standing, element("span", { class: "count" })]));
    const figures = STANDINGS.map(([standing, title]) => {
      const words = [this.counts.get(standing), element("span", { class: "word" }, title)];
      const figure = element("button", { type: "button", class: "figure", onclick: () => onChoose(name, standing), dataset: { standing } }, ...words);
      return element("li", {}, figure);
    });
    this.oldest = element("span");
    this.inexact = badge("at least", "warn");
    this.inexact.title = "There are more jobs than were counted.";
    this.tenants = tenantTable(name);
    this.summary = element("summary");
    this.details = element("details", {}, this.summary, this.tenants.node);
    const title = element("div", { class: "title" }, element("h3", {}, name), this.inexact, element("span", { class: "hint end" }, "oldest waits ", this.oldest));
    this.node = element("article", { class: "panel stack", ariaLabel: `Queue ${name}` }, title, element("ul", { class: "plain figures" }, ...figures), this.details);
  }

  /** @param {any} queue */
  show(queue) {
    for (const [standing, count] of this.counts) {
      setText(count, counted(queue, standing));
    }
    this.node.querySelector('[data-standing="dead"]').dataset.some = String(queue.dead > 0);
    this.inexact.hidden = queue.is_exact;
    setText(this.oldest, queue.oldest_age_s === null ? "–" : age(queue.oldest_age_s));
    setText(this.summary, `Waiting by tenant (${number(queue.tenants.length)})`);
    this.details.hidden = queue.tenants.length === 0;
    this.tenants.show([...queue.tenants].sort((one, other) => other.waiting - one.waiting));
  }
}

/** @param {string} queue */
function tenantTable(queue) {
  return new Table({
    label: `Tenants that wait in queue ${queue}`,
    keyOf: ({ tenant }) => tenant,
    empty: "Nothing waits.",
    columns: [
      textColumn("Tenant", ({ tenant }) => tenant, { isHeader: true }),
      textColumn("Waiting", ({ waiting }) => number(waiting), { isNumeric: true }),
      textColumn("Oldest", ({ oldest_age_s }) => (oldest_age_s === null ? "–" : age(oldest_age_s)), { isNumeric: true }),
    ],
  });
}
