/** One open request, seen by the one who asked. */

import { Deferred } from "./deferred.js";
import { RequestFailed, Unwatched } from "./errors.js";
import type { Acknowledgment, Failure, Frame, Outcome, StreamerEvent } from "./frames.js";
import { Position } from "./position.js";
import { Unread } from "./unread.js";

/**
 * How the session asks the server for the events of a request: `request` by sending it, as often as it takes, and once it
 * is acknowledged by `resume`; `resume` by its id, as an earlier life of this program sent it; `subscribe` by the id of
 * its job, which may be somebody else's.
 */
export type Way = "request" | "resume" | "subscribe";

/** What a submission asks of its session. */
export interface Sender {
  sendCancel(submission: Submission): void;
  sendUnwatch(submission: Submission): void;
  /** Whether a node was ever told of it. */
  wasSent(submission: Submission): boolean;
  forget(submission: Submission): void;
  /** Resolves after so long, or when the session has ended. */
  pause(ms: number): Promise<unknown>;
}

const AGAIN_AFTER_MS = 1_000;

/**
 * A request on its way. Iterate it for its events, ask for its `result()`, or both.
 *
 * - `for await (const event of submission)`: every event, the outcome last. One reader at a time; progress that it leaves
 *   unread is coalesced, nothing else is. While nobody iterates, only the newest 1,000 are kept; `dropped` counts the
 *   others.
 * - `await submission.result()`: the result. As often as you like.
 *
 * Both reject with ConnectionLost where the session ends before the outcome came, `result` also with RequestFailed,
 * Unwatched and the reason of an aborted signal. A lost socket alone is not noticed here: the events go on where they were.
 */
export class Submission<R = unknown, C = unknown> implements AsyncIterable<StreamerEvent<R, C>> {
  /** @internal */
  readonly position = new Position();
  #acknowledged: Acknowledgment | undefined; // set once the job is stored; never for an inline action
  #isOver = false; // the server has nothing more to say, or the session has ended
  #isDone = false; // nothing more comes to whoever waits: it is over, or was aborted
  #isAnswered = false; // the node of this socket has said that it knows of the request
  #isLeftToSession = false; // which sends it when it can, and again where that is refused for now
  #failure: unknown; // what an iterator throws at its end
  #cancel: Deferred<void> | undefined; // a cancel that was not answered yet
  #refusal: Failure | undefined; // answers either the request or the cancel: the next frame tells
  readonly #outcome = new Deferred<Outcome>();
  readonly #unread = new Unread();
  readonly #sender: Sender;

  /** @internal */
  constructor(
    /** The id that the caller gave it; of a watched job the job id. */
    readonly requestId: string,
    /** @internal */
    readonly way: Way,
    sender: Sender,
    /** The frame of a `request`. @internal */
    readonly asking?: Frame,
    /** The frame types that a watch asks for; undefined: all. @internal */
    readonly wants?: readonly string[],
  ) {
    this.#sender = sender;
  }

  /** The job's id, once it is stored; undefined before, and for an inline action. */
  get jobId(): string | undefined {
    return this.#acknowledged?.job_id;
  }

  /** How many pieces of output have arrived and stand; a new attempt may take some of them back. */
  get chunks(): number {
    return this.position.chunks;
  }

  /** How many events nobody has read and nobody can read any more. */
  get dropped(): number {
    return this.#unread.dropped;
  }

  /** Whether nothing more will come. */
  get done(): boolean {
    return this.#isDone;
  }

  /** What the action answered. Rejects with RequestFailed, ConnectionLost, Unwatched, or why it was aborted. */
  async result(): Promise<R> {
    const outcome = await this.#outcome.promise;
    if (outcome.type === "error") {
      throw new RequestFailed(outcome.error, this.requestId);
    }
    return (outcome.type === "response" ? outcome.data : outcome.result) as R;
  }

  /**
   * Asks the server to stop the request; resolves when it has answered. The outcome says what came of it: RequestFailed
   * with code CANCELLED, or the result if that was faster. Rejects with RequestFailed where the server refuses to hear
   * the wish, and with ConnectionLost.
   */
  async cancel(): Promise<void> {
    if (this.#isOver) {
      return;
    }
    if (this.#cancel === undefined) {
      this.#cancel = new Deferred();
      this.#sender.sendCancel(this as Submission);
    }
    await this.#cancel.promise;
  }

  /** Stops watching the job: the events end here, and `result` rejects with Unwatched. Throws TypeError for a request of one's own. */
  unwatch(): void {
    this.#sender.sendUnwatch(this as Submission);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StreamerEvent<R, C>, void, undefined> {
    const leave = this.#unread.reader();
    try {
      for (let event = await this.#unread.get(); event !== undefined; event = await this.#unread.get()) {
        yield event as StreamerEvent<R, C>;
      }
    } finally {
      leave();
    }
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
  }

  // --- called by the session -------------------------------------------------------------------------------

  /** Whether the server has the request stored, as far as is known here; so it is not sent (again). @internal */
  get isKnown(): boolean {
    return this.way !== "request" || this.#acknowledged !== undefined;
  }

  /** Whether the server has nothing more to say. @internal */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether a cancel waits for its answer, and the server can hear of it: it knows what to cancel. @internal */
  get wantsCancel(): boolean {
    return this.#cancel !== undefined && (this.#isAnswered || !this.isKnown);
  }

  /** Resolves when there is room; undefined where there is. @internal */
  get room(): Promise<void> | undefined {
    return this.#unread.isFull ? this.#unread.room() : undefined;
  }

  /** The next event of this request, which may be a repeat. @internal */
  take(event: StreamerEvent): void {
    switch (event.type) {
      case "acknowledgment":
        this.#takeAcknowledgment(event);
        break;
      case "cancelling":
        this.#answerCancel();
        this.#put(event);
        break;
      case "error":
        if (event.final) {
          this.#end(event);
        } else {
          this.#takeRefusal(event);
        }
        break;
      case "response":
      case "complete":
        this.#end(event);
        break;
      default:
        if (this.position.admit(event)) {
          this.#put(event);
        }
    }
  }

  /** The node has said that it knows of the request, and sends what is to come. @internal */
  answered(): void {
    this.#isAnswered = true;
  }

  /** There is no node to ask at the moment: the session asks for it on its own account. @internal */
  postpone(): void {
    this.#isLeftToSession = true;
  }

  /** The socket is lost: no node knows that we wait. @internal */
  detach(): void {
    this.postpone();
    this.#isAnswered = false;
    this.#refusal = undefined;
  }

  /** Whether this only says that what the session asks on its own account is to be asked a little later. @internal */
  isRefusedForNow(refusal: Failure): boolean {
    const isOfTheAsking = !this.#isAnswered && (this.isKnown || this.#cancel === undefined);
    const isForNow = refusal.error.retry?.retryable === true && !refusal.final;
    return isForNow && isOfTheAsking && this.#isLeftToSession;
  }

  /** There will be no outcome here. @internal */
  lose(loss: Error): void {
    this.#isOver = true;
    this.#settle(loss, loss instanceof Unwatched ? undefined : loss);
    this.#answerCancel(loss);
  }

  /** Nobody waits for it any more, and the server is to stop it, now or when there is a node to tell. @internal */
  abort(reason: unknown): void {
    if (this.#isDone) {
      return;
    }
    this.#settle(reason);
    if (this.#sender.wasSent(this as Submission)) {
      void this.#cancelUntilHeard();
    } else {
      this.#isOver = true;
      this.#sender.forget(this as Submission);
    }
  }

  async #cancelUntilHeard(): Promise<void> {
    while (!this.#isOver) {
      try {
        await this.cancel();
        return;
      } catch (error) {
        if (!(error instanceof RequestFailed && error.retryable)) {
          return;
        }
        await this.#sender.pause(error.afterMs ?? AGAIN_AFTER_MS);
      }
    }
  }

  #takeAcknowledgment(event: Acknowledgment): void {
    if (this.#acknowledged === undefined) {
      this.#acknowledged = event;
      this.#put(event);
    }
    this.answered();
    if (this.#refusal !== undefined) {
      this.#answerCancel(new RequestFailed(this.#refusal.error, this.requestId));
      this.#refusal = undefined;
    }
  }

  #takeRefusal(event: Failure): void {
    if (this.#isAnswered) {
      this.#answerCancel(new RequestFailed(event.error, this.requestId)); // the request stands, so it is the cancel's
    } else if (this.isKnown || this.#cancel === undefined || this.#refusal !== undefined) {
      this.#end(this.#refusal ?? event);
    } else {
      this.#refusal = event;
    }
  }

  #end(outcome: Outcome): void {
    this.#isOver = true;
    if (!this.#isDone) {
      this.#isDone = true;
      this.#outcome.resolve(outcome);
      this.#unread.put(outcome);
      this.#unread.end();
    }
    this.#answerCancel();
  }

  #put(event: StreamerEvent): void {
    if (!this.#isDone) {
      this.#unread.put(event);
    }
  }

  #settle(reason: unknown, thrown?: unknown): void {
    if (!this.#isDone) {
      this.#isDone = true;
      this.#failure = thrown;
      this.#outcome.reject(reason);
      this.#unread.end();
    }
  }

  #answerCancel(error?: Error): void {
    const cancel = this.#cancel;
    this.#cancel = undefined;
    if (error === undefined) {
      cancel?.resolve();
    } else {
      cancel?.reject(error);
    }
  }
}
