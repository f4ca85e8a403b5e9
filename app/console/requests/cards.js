// @ts-check
// The requests that this page follows, the newest first.

import { button, element } from "../dom.js";
import { Card } from "./card.js";

const KEPT = 100;

/** Opens requests on the session of the moment, and shows each as a card. */
export class Cards {
  /** @type {Map<string, Card>} by request id, the oldest first */
  #cards = new Map();
  /** @type {any} the client's session; undefined before the first connection */
  #session;

  /** @param {(card: Card) => void} onOutcome */
  constructor(onOutcome) {
    this.onOutcome = onOutcome;
    this.list = element("ol", { class: "plain cards", reversed: true });
    this.empty = element("p", { class: "empty" }, "What you call or resume appears here.");
    const clear = button("Clear finished", () => this.#clear(), { class: "quiet end" });
    const title = element("div", { class: "title" }, element("h2", {}, "Requests"), clear);
    this.node = element("section", { class: "panel", ariaLabel: "Requests" }, title, this.empty, this.list);
  }

  /**
   * From now on requests go over this session; those that were lost with the one before are asked for again.
   *
   * @param {any} session
   */
  attach(session) {
    this.#session = session;
    for (const card of this.#cards.values()) {
      if (card.progress.status === "lost") {
        this.#resumeCard(card);
      }
    }
  }

  /** Whether a request is open here. @param {string} requestId */
  follows(requestId) {
    const card = this.#cards.get(requestId);
    return card !== undefined && !card.isOver;
  }

  /** Throws where the session cannot take it. @param {import("./caller.js").Call} call */
  call({ action, payload, id, options }) {
    const submission = this.#session.submit(action, payload, { ...(id && { id }), ...(options && { options }) });
    this.#add(action, submission);
  }

  /**
   * Follows a request that an earlier page, or another program, has sent.
   *
   * @param {string} action
   * @param {string} requestId
   */
  resume(action, requestId) {
    if (this.follows(requestId)) {
      this.#show(requestId);
    } else {
      this.#add(action, this.#session.resume(requestId));
    }
  }

  /** @param {string} action @param {any} submission */
  #add(action, submission) {
    const { requestId } = submission;
    this.#forget(requestId);
    const card = new Card(action, requestId, { onResume: (each) => this.#resumeCard(each), onOutcome: this.onOutcome });
    this.#cards.set(requestId, card);
    this.list.prepend(card.node);
    this.#bound();
    void card.follow(submission);
  }

  /** @param {Card} card */
  #resumeCard(card) {
    card.progress.resume();
    void card.follow(this.#session.resume(card.requestId));
  }

  /** @param {string} requestId */
  #show(requestId) {
    this.#cards.get(requestId)?.node.scrollIntoView({ block: "nearest" });
  }

  #clear() {
    for (const [requestId, card] of this.#cards) {
      if (card.isOver) {
        this.#forget(requestId);
      }
    }
    this.#bound();
  }

  #bound() {
    for (const [requestId, card] of this.#cards) {
      if (this.#cards.size > KEPT && card.isOver) {
        this.#forget(requestId);
      }
    }
    this.empty.hidden = this.#cards.size > 0;
  }

  /** @param {string} requestId */
  #forget(requestId) {
    this.#cards.get(requestId)?.node.remove();
    this.#cards.delete(requestId);
  }
}
