/** The open requests of a session. */

import { aborted, Signal } from "./deferred.js";
import type { Problem, Resumed, StreamerEvent } from "./frames.js";
import type { Submission } from "./submission.js";

/** Requests that one `resume` frame names: with the longest ids it then is below 128 KiB. */
const RESUMED_AT_ONCE = 500;

/** By id, until the outcome. Knows which of them the node of this socket still has to be asked for. */
export class Requests {
  readonly #open = new Map<string, Submission>();
  #unasked = new Map<string, Submission>(); // those of which this node does not know that we wait
  readonly #sent = new WeakSet<Submission>(); // some node was told of these
  readonly #toAsk = new Signal(); // there may be some
  readonly #moved = new Signal(); // something was answered

  /** Throws TypeError if one of that id is open. */
  add(submission: Submission): void {
    if (this.#open.has(submission.requestId)) {
      throw new TypeError(`a request ${submission.requestId} is open on this connection`);
    }
    this.#open.set(submission.requestId, submission);
    this.#unasked.set(submission.requestId, submission);
  }

  get(requestId: string): Submission | undefined {
    return this.#open.get(requestId);
  }

  wasSent(submission: Submission): boolean {
    return this.#sent.has(submission);
  }

  /** Nobody waits for it any more. */
  forget(submission: Submission): void {
    if (this.#open.get(submission.requestId) === submission) {
      this.#open.delete(submission.requestId);
      this.#unasked.delete(submission.requestId);
      this.#moved.fire();
    }
  }

  // --- what the server says --------------------------------------------------------------------------------

  /**
   * Hands the event to whom it is about. Where that one has more than it reads, nothing more is to be taken from this
   * socket, and the promise resolves when there is room again.
   */
  take(event: StreamerEvent): Promise<void> | undefined {
    const submission = this.#open.get(event.request_id);
    if (submission === undefined) {
      return undefined; // of a call whose caller has gone
    }
    submission.take(event);
    this.#moved.fire();
    if (submission.isOver) {
      this.forget(submission);
    }
    return submission.room;
  }

  /** Those which the node answered for. */
  resumed(answer: Resumed): readonly Submission[] {
    const found: Submission[] = [];
    for (const entry of answer.requests) {
      const submission = this.#open.get(entry.request_id);
      if (submission !== undefined) {
        submission.answered();
        found.push(submission);
        if (entry.recovered === false) {
          console.warn(`streamer-client: some chunks of request ${entry.request_id} have expired`);
        }
      }
    }
    return found;
  }

  /** Asking for these was refused. */
  refuse(submissions: readonly Submission[], error: Problem): void {
    for (const { requestId } of submissions) {
      const timestamp = Date.now() / 1000;
      this.take({ type: "error", request_id: requestId, timestamp, success: false, error, final: false });
    }
  }

  /** No outcome will come to any of them. */
  lose(loss: Error): void {
    for (const submission of this.#open.values()) {
      submission.lose(loss);
    }
    this.#open.clear();
    this.#unasked.clear();
  }

  // --- what the server is to be asked for ------------------------------------------------------------------

  /** The socket is lost: the next node has to be asked for everything. */
  detach(): void {
    for (const submission of this.#open.values()) {
      submission.detach();
    }
    this.#unasked = new Map(this.#open);
  }

  /** The node is to be asked for it as soon as there is one. */
  askFor(submission: Submission): void {
    if (this.#open.get(submission.requestId) === submission) {
      this.#unasked.set(submission.requestId, submission);
      this.#toAsk.fire();
    }
  }

  asked(submission: Submission): void {
    this.#unasked.delete(submission.requestId);
    this.#sent.add(submission);
  }

  /** The next ones that go into one `resume` frame. */
  toResume(): readonly Submission[] {
    const batch: Submission[] = [];
    for (const each of this.#unasked.values()) {
      if (each.isKnown && each.way !== "subscribe") {
        batch.push(each);
        if (batch.length === RESUMED_AT_ONCE) {
          break;
        }
      }
    }
    return batch;
  }

  /** Those which have a frame of their own. */
  toSend(): readonly Submission[] {
    return [...this.#unasked.values()].filter((each) => !each.isKnown || each.way === "subscribe");
  }

  /** Resolves when there is somebody to ask for, or `ended` aborts. */
  async unasked(ended: AbortSignal): Promise<void> {
    while (this.#unasked.size === 0 && !ended.aborted) {
      await this.#toAsk.wait(ended);
    }
  }

  /** Resolves when no request is open that was sent and neither answered nor acknowledged, or `ended` aborts. */
  async settled(ended: AbortSignal): Promise<void> {
    while (!ended.aborted && this.#hasUnsettled()) {
      await Promise.race([this.#moved.wait(), aborted(ended)]);
    }
  }

  #hasUnsettled(): boolean {
    return [...this.#open].some(([requestId, each]) => !each.isKnown && !this.#unasked.has(requestId));
  }
}
