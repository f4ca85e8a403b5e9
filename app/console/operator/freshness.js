// @ts-check
// How old is what is shown, in words, and what time it is for the node.

import { button, element, setText } from "../dom.js";
import { clock } from "../format.js";
import { age } from "./times.js";

const STALE_AFTER_S = 6; // three refreshes
const TICK_MS = 1_000;

/** The line above the view. Says once when answers stop and when they come again; the age beside it is not read out. */
export class Freshness {
  /** @type {number | undefined} Unix seconds of this computer: when the newest answer came */
  #answeredAt;
  #offset = 0;
  #reason = "";
  /** @type {number | undefined} */
  #timer;

  /** @param {() => void} onRefresh */
  constructor(onRefresh) {
    this.state = element("span", { role: "status" });
    this.age = element("span", { class: "hint" });
    const again = button("Refresh", onRefresh, { class: "quiet end" });
    this.node = element("div", { class: "title freshness", dataset: { state: "waiting" } }, this.state, this.age, again);
  }

  /** Unix seconds by the node's clock. */
  get now() {
    return Date.now() / 1_000 + this.#offset;
  }

  /** @param {number} at Unix seconds by the node's clock */
  answered(at) {
    this.#answeredAt = Date.now() / 1_000;
    this.#offset = at - this.#answeredAt;
    this.#reason = "";
    this.#paint();
  }

  /** @param {string} reason a sentence */
  failed(reason) {
    this.#reason = reason;
    this.#paint();
  }

  show() {
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#paint(), TICK_MS);
  }

  hide() {
    clearInterval(this.#timer);
  }

  #paint() {
    const oldness = Date.now() / 1_000 - (this.#answeredAt ?? Infinity);
    const isStale = this.#reason !== "" || oldness > STALE_AFTER_S;
    this.node.dataset.state = isStale ? "stale" : this.#answeredAt === undefined ? "waiting" : "live";
    setText(this.state, isStale ? this.#reason || "The node does not answer." : this.#answeredAt === undefined ? "" : "Live");
    setText(this.age, this.#answeredAt === undefined ? "" : this.#words(oldness, isStale));
  }

  /** @param {number} oldness @param {boolean} isStale */
  #words(oldness, isStale) {
    const at = clock(/** @type {number} */ (this.#answeredAt));
    return isStale ? `What is shown is of ${at}, ${age(oldness)} ago.` : `as of ${at}`;
  }
}
