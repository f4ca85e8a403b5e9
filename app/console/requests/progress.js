// @ts-check
// What is known of one request, event by event. No DOM.

const CHUNKS_KEPT = 50;

/**
 * @typedef {"sent" | "waiting" | "running" | "retrying" | "cancelling" | "lost" | "done" | "failed" | "cancelled"} Status
 */

const STATES = /** @type {Record<string, Status>} */ ({
  PENDING: "waiting",
  PROCESSING: "running",
  RETRYING: "retrying",
});

/** Takes the events of a submission in their order. */
export class Progress {
  /** @type {Status} */
  status = "sent";
  /** @type {number | undefined} undefined: not told yet */
  percentage;
  message = "";
  attempt = 0;
  /** How many pieces of output stand. */
  count = 0;
  /** @type {{ index: number, data: unknown }[]} the newest of them, the newest last */
  chunks = [];
  /** @type {{ value: unknown } | undefined} */
  result;
  /** @type {{ code: string, message?: string, details?: unknown } | undefined} */
  error;
  /** @type {number | undefined} by the server's clock, Unix seconds; the first and the newest event */
  startedAt;
  /** @type {number | undefined} */
  endedAt;

  get isOver() {
    return this.status === "done" || this.status === "failed" || this.status === "cancelled";
  }

  /** @param {any} event */
  take(event) {
    this.startedAt ??= event.timestamp;
    this.endedAt = event.timestamp;
    this.attempt = Math.max(this.attempt, event.attempt ?? 0);
    const taker = /** @type {Record<string, ((event: any) => void) | undefined>} */ (TAKERS)[event.type];
    taker?.call(this, event);
  }

  /** The connection has ended before the outcome came. @param {string} message */
  lose(message) {
    this.status = "lost";
    this.message = message;
  }

  /** It is asked for once more. */
  resume() {
    Object.assign(this, { status: "sent", message: "", percentage: undefined, count: 0, chunks: [], error: undefined });
  }

  /** @param {unknown} value */
  end(value) {
    this.result = { value };
    this.status = "done";
    this.percentage = 100;
    this.message = "";
  }
}

/** @type {Record<string, (this: Progress, event: any) => void>} */
const TAKERS = {
  acknowledgment({ state }) {
    this.status = STATES[state] ?? "waiting";
  },
  progress({ percentage, message }) {
    this.status = this.status === "cancelling" ? "cancelling" : "running";
    this.percentage = percentage;
    this.message = message;
  },
  chunk({ index, data }) {
    this.status = this.status === "cancelling" ? "cancelling" : "running";
    this.count = index + 1;
    this.chunks = [...this.chunks, { index, data }].slice(-CHUNKS_KEPT);
  },
  retrying({ error, attempt, continues_from }) {
    this.status = "retrying";
    this.percentage = undefined;
    this.message = `Attempt ${attempt} is over: ${error.message ?? error.code}`;
    this.count = Math.min(this.count, continues_from);
    this.chunks = this.chunks.filter(({ index }) => index < continues_from);
  },
  cancelling() {
    this.status = "cancelling";
  },
  response({ data }) {
    this.end(data);
  },
  complete({ result, chunks }) {
    this.count = chunks ?? this.count;
    this.end(result);
  },
  error({ error }) {
    this.error = error;
    this.status = error.code === "CANCELLED" ? "cancelled" : "failed";
    this.message = "";
  },
};
