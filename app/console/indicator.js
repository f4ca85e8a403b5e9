// @ts-check
// Where the connection is, in the page's header: a word for the eye and, without the ticking seconds, for the ear.

import { setText } from "./dom.js";

/** @typedef {{ name: string, nodeId?: string, code?: number, reason?: string, retryAt?: number }} State */

/** What the close codes of the protocol mean for a person. */
const MEANINGS = /** @type {Record<number, string>} */ ({
  1000: "closed in good order",
  1006: "the connection was lost",
  1009: "a frame was too big",
  1011: "the keep-alive was lost",
  1012: "the node restarts",
  1013: "this page read too slowly",
  4401: "the token has expired",
  4429: "too many messages",
  4500: "the token was rejected",
  4503: "this is not allowed",
  4504: "too many connections",
});

/** Shows the state of one connection after another. */
export class Indicator {
  #ticking = 0; // timer of the countdown; 0: there is none
  #root;
  #text;
  #countdown;
  #again;

  /**
   * @param {{ root: HTMLElement, text: HTMLElement, countdown: HTMLElement, again: HTMLButtonElement }} parts
   *   `again`: shown where the connection has ended for good
   */
  constructor({ root, text, countdown, again }) {
    this.#root = root;
    this.#text = text;
    this.#countdown = countdown;
    this.#again = again;
  }

  /** @param {State} state */
  show(state) {
    this.#root.dataset["state"] = state.name;
    this.#root.title = state.code === undefined ? "" : `close code ${state.code}`;
    setText(this.#text, sentence(state));
    this.#again.hidden = state.name !== "ended";
    this.#countTo(state.name === "away" ? state.retryAt : undefined);
  }

  /** There is no connection, and none is wanted. */
  clear() {
    this.show({ name: "off" });
  }

  /** @param {number | undefined} at Unix milliseconds */
  #countTo(at) {
    clearInterval(this.#ticking);
    const tick = () => setText(this.#countdown, at === undefined ? "" : secondsUntil(at));
    tick();
    this.#ticking = at === undefined ? 0 : setInterval(tick, 250);
  }
}

/** @param {State} state */
function sentence({ name, nodeId, code, reason }) {
  const cause = code === undefined ? "" : `: ${reason || MEANINGS[code] || "closed"} (${code})`;
  switch (name) {
    case "connected":
      return `connected to ${nodeId}`;
    case "resuming":
      return `resuming on ${nodeId}`;
    case "leaving":
      return `moving away from ${nodeId}`;
    case "connecting":
    case "away": // the same words: that it tries again is no news
      return code === undefined ? "connecting" : `reconnecting${cause}`;
    case "ended":
      return `not connected${cause}`;
    default:
      return "not connected";
  }
}

/** @param {number} at Unix milliseconds */
function secondsUntil(at) {
  const seconds = Math.ceil((at - Date.now()) / 1_000);
  return seconds > 0 ? `in ${seconds} s` : "now";
}
