/** A fresh token for a socket that stays. */

import * as asking from "./asking.js";
import type { Clock } from "./clock.js";
import type { Dialogue } from "./dialogue.js";
import type { Problem } from "./frames.js";
import type { Tokens } from "./tokens.js";

/** With the pauses below more than a minute and a half: by then the node has closed the socket, or the clocks differ. */
const TRIES = 30;
const FIRST_PAUSE_MS = 500;
/** Short beside the time between `token_expiring` and the end of the socket; each pause is from half of it up. */
const LONGEST_PAUSE_MS = 5_000;

/**
 * Gives the node the next token, as soon as there is one that it does not have; tries until the socket ends.
 *
 * Nothing else waits for it. Where it fails, the node closes with 4401, and the session comes back with a new token.
 */
export class Renewal {
  #useless: string | undefined; // what the node has, or does not want
  #isUnderWay = false;

  constructor(
    private readonly tokens: Tokens,
    held: string | undefined,
    private readonly dialogue: Dialogue,
    private readonly clock: Clock,
    private readonly ended: AbortSignal,
  ) {
    this.#useless = held;
  }

  /** Resolves when the node has taken a token, after so many tries, or where there is nothing to do about it. */
  async expiring(): Promise<void> {
    if (this.#isUnderWay || !this.tokens.mayChange) {
      return;
    }
    this.#isUnderWay = true;
    try {
      await this.#renew();
    } finally {
      this.#isUnderWay = false;
    }
  }

  async #renew(): Promise<void> {
    for (let tried = 0; tried < TRIES; tried++) {
      const refused = await this.#try();
      if (refused === undefined || this.ended.aborted) {
        return;
      }
      const longestMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tried);
      const pauseMs = this.clock.between(longestMs / 2, longestMs);
      await this.clock.sleep(Math.max(pauseMs, refused.retry?.after_ms ?? 0), this.ended);
    }
    console.warn(`streamer-client: the node has no fresh token after ${TRIES} tries`);
  }

  /** Why the node has no fresh token; undefined: it has. */
  async #try(): Promise<Problem | undefined> {
    let token: string | undefined;
    try {
      token = await this.tokens.next();
    } catch (error) {
      return { code: "UNAUTHORIZED", message: String(error) };
    }
    if (token === undefined || token === this.#useless) {
      return { code: "UNAUTHORIZED", message: "The token is still the old one." };
    }
    const answer = await this.dialogue.ask(asking.auth(token), "authenticated");
    if (answer === "lost") {
      return undefined;
    }
    if (answer === undefined || answer.retry?.retryable !== true) {
      this.#useless = token;
    }
    return answer;
  }
}
