/** Where the tokens of a session come from. */

import type { Clock } from "./clock.js";
import { CannotConnect } from "./errors.js";

/** A JWT, or who makes one: called for every handshake, and when the node says that one is about to expire. */
export type Token = string | (() => string | Promise<string>);

/** Asks whoever makes them, for at most `timeoutMs` each time. */
export class Tokens {
  constructor(
    private readonly token: Token | undefined,
    private readonly timeoutMs: number,
    private readonly clock: Clock,
  ) {}

  /** Whether the next one may be another. */
  get mayChange(): boolean {
    return typeof this.token === "function";
  }

  /** The token of this moment; undefined where the session goes without. Rejects with CannotConnect. */
  async next(): Promise<string | undefined> {
    if (typeof this.token !== "function") {
      return this.token;
    }
    const over = new AbortController();
    try {
      return await Promise.race([this.#made(this.token), this.#late(over.signal)]);
    } finally {
      over.abort();
    }
  }

  async #made(make: () => string | Promise<string>): Promise<string> {
    try {
      return await make();
    } catch (error) {
      // the seam to the caller's own code, which may ask a server that is down
      throw new CannotConnect(`There is no token: ${String(error)}.`, { cause: error });
    }
  }

  async #late(over: AbortSignal): Promise<never> {
    await this.clock.after(this.timeoutMs, over);
    throw new CannotConnect(`There was no token within ${this.timeoutMs} ms.`);
  }
}
