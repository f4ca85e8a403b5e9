/** The events of one submission that wait to be read. */

import { Signal } from "./deferred.js";
import type { StreamerEvent } from "./frames.js";

/** Unread events before a newer progress replaces the one before it; the server's outbox has the same bound. */
const COALESCED_FROM = 64;
/** Unread events before something gives way: with a reader the socket is given up, without one the oldest go. */
export const KEPT = 1_000;

/**
 * A queue between the session, which puts, and whoever iterates the submission.
 *
 * - While somebody iterates, nothing but progress is ever left out; over KEPT it is full, and whoever puts is to take
 *   nothing more until there is `room`.
 * - While nobody does, the newest KEPT events are kept for somebody who may; `dropped` counts the others. So the
 *   outcome, which comes last, is always kept.
 */
export class Unread {
  dropped = 0;
  #events: StreamerEvent[] = [];
  #read = 0; // so many of `#events` were read already
  #readers = 0;
  #ended = false; // nothing will be put any more
  readonly #news = new Signal(); // there is something unread, or the end
  readonly #room = new Signal(); // it may be not full any more

  put(event: StreamerEvent): void {
    if (this.#replaces(event)) {
      this.#events[this.#events.length - 1] = event;
    } else {
      this.#events.push(event);
      this.#bound();
    }
    this.#news.fire();
  }

  /** What is unread can still be read. */
  end(): void {
    this.#ended = true;
    this.#news.fire();
    this.#room.fire();
  }

  get isFull(): boolean {
    return this.#readers > 0 && this.#length > KEPT && !this.#ended;
  }

  /** Resolves when half of it is free, because of its reader or because that one has gone. */
  async room(): Promise<void> {
    while (this.#readers > 0 && this.#length > KEPT / 2 && !this.#ended) {
      await this.#room.wait();
    }
  }

  /** The oldest event; undefined after the last one. */
  async get(): Promise<StreamerEvent | undefined> {
    while (this.#length === 0) {
      if (this.#ended) {
        return undefined;
      }
      await this.#news.wait();
    }
    return this.#shift();
  }

  /** Somebody begins to iterate; what is returned says that it has ended. */
  reader(): () => void {
    this.#readers += 1;
    return () => {
      this.#readers -= 1;
      this.#bound();
      this.#room.fire();
    };
  }

  get #length(): number {
    return this.#events.length - this.#read;
  }

  #shift(): StreamerEvent | undefined {
    const event = this.#events[this.#read];
    this.#read += 1;
    if (this.#read > KEPT / 2) {
      this.#events = this.#events.slice(this.#read);
      this.#read = 0;
    }
    this.#room.fire();
    return event;
  }

  #bound(): void {
    while (this.#readers === 0 && this.#length > KEPT) {
      this.#shift();
      this.dropped += 1;
    }
  }

  #replaces(event: StreamerEvent): boolean {
    return event.type === "progress" && this.#length >= COALESCED_FROM && this.#events.at(-1)?.type === "progress";
  }
}
