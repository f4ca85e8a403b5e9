// @ts-check
// Outcomes of durable requests that nobody has taken yet.

import { badge, button, element, fill, setText } from "../dom.js";

/** Shows what the node offered when the session was opened, and what ended here since. */
export class Inbox {
  /** @type {any} the client's session; undefined before the first connection */
  #session;
  /** @type {Map<string, { request_id: string, status: string }>} ended on this page, and not acknowledged */
  #ended = new Map();

  /** @param {{ onResume: (requestId: string) => void, onCount: (count: number) => void }} hooks */
  constructor({ onResume, onCount }) {
    this.onResume = onResume;
    this.onCount = onCount;
    this.list = element("ol", { class: "plain rows" });
    this.empty = element(
      "p",
      { class: "empty" },
      "It is empty. Outcomes of durable requests stay here until they are acknowledged.",
    );
    this.fault = element("p", { class: "fault", role: "alert" });
    this.node = element("div", { class: "stack" }, this.fault, this.list, this.empty);
  }

  /** @param {any} session */
  attach(session) {
    this.#session = session;
    this.#ended.clear();
    this.paint();
  }

  /** A durable request has its outcome. @param {string} requestId @param {string} status */
  add(requestId, status) {
    this.#ended.set(requestId, { request_id: requestId, status });
    this.paint();
  }

  /** @param {string} message */
  fail(message) {
    setText(this.fault, message);
  }

  /** Shows what there is now; the node's offer is renewed with every socket. */
  paint() {
    const offers = [...this.#offers().values()];
    fill(this.list, ...offers.map((offer) => this.#row(offer)));
    this.empty.hidden = offers.length > 0;
    this.onCount(offers.length);
  }

  #offers() {
    /** @type {[string, { request_id: string, status: string }][]} */
    const offered = (this.#session?.inbox ?? []).map((/** @type {any} */ offer) => [offer.request_id, offer]);
    return new Map([...this.#ended, ...offered]);
  }

  /** @param {{ request_id: string, status: string }} offer */
  #row({ request_id, status }) {
    const resume = button("Resume", () => this.onResume(request_id), {
      class: "quiet",
      ariaLabel: `Resume ${request_id}`,
    });
    const ack = button("Acknowledge", () => this.#ack(request_id), {
      class: "quiet",
      ariaLabel: `Acknowledge ${request_id}`,
    });
    const title = element(
      "div",
      { class: "title" },
      badge(status.toLowerCase()),
      element("span", { class: "end row" }, resume, ack),
    );
    return element("li", {}, title, element("code", { class: "id" }, request_id));
  }

  /** @param {string} requestId */
  #ack(requestId) {
    try {
      this.#session.ack(requestId);
      this.#ended.delete(requestId);
      this.fail("");
    } catch (error) {
      this.fail(/** @type {Error} */ (error).message);
    }
    this.paint();
  }
}
