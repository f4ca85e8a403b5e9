/** How much of a job a client has seen. Pure. */

import type { StreamerEvent } from "./frames.js";

/**
 * What tells a repeat from news, and what `resume` says to the server.
 *
 * State (progress, retrying) is told apart by `(attempt, seq)`, output by the index of its chunks alone.
 */
export class Position {
  #attempt = 0; // of the newest frame; 0: none was seen
  #seq = 0;
  #chunks = 0; // pieces of output that stand: the index of the next one

  get chunks(): number {
    return this.#chunks;
  }

  /** Whether the event is news; then it counts as seen. */
  admit(event: StreamerEvent): boolean {
    if (!this.#isNews(event)) {
      return false;
    }
    if (event.type === "chunk") {
      this.#chunks = event.index + 1;
    } else if (event.type === "retrying") {
      this.#chunks = Math.min(this.#chunks, event.continues_from);
    }
    if (this.#isBefore(event)) {
      [this.#attempt, this.#seq] = place(event);
    }
    return true;
  }

  /** The position in the protocol's words. */
  fields(): { attempt: number; seq: number; chunks: number } {
    return { attempt: this.#attempt, seq: this.#seq, chunks: this.#chunks };
  }

  #isNews(event: StreamerEvent): boolean {
    switch (event.type) {
      case "chunk":
        return event.index >= this.#chunks;
      case "retrying":
        return this.#isBefore(event);
      case "progress":
        return event.job_id === undefined || this.#isBefore(event); // an inline request has no numbers
      default:
        return true;
    }
  }

  #isBefore(event: StreamerEvent): boolean {
    const [attempt, seq] = place(event);
    return attempt > this.#attempt || (attempt === this.#attempt && seq > this.#seq);
  }
}

function place(event: StreamerEvent): [attempt: number, seq: number] {
  return "attempt" in event ? [event.attempt ?? 0, event.seq ?? 0] : [0, 0];
}
