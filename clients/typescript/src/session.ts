/// <reference lib="esnext.disposable" preserve="true" />

/** A client's connection to the service, and its open requests. */

import type { ActionMap, AnyActions, Arguments, ChunkOf, Name, Result } from "./actions.js";
import * as asking from "./asking.js";
import type { RequestOptions } from "./asking.js";
import type { Clock } from "./clock.js";
import { ConnectionLost, Unwatched } from "./errors.js";
import type { Offer, Welcome } from "./frames.js";
import { checked, uuid7 } from "./ids.js";
import type { ConnectionState, Keeper } from "./keeper.js";
import type { Requests } from "./requests.js";
import { Submission, type Sender } from "./submission.js";

/** How to submit. */
export interface SubmitOptions {
  /** The idempotency key; made here if absent. */
  readonly id?: string;
  readonly options?: RequestOptions;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Aborted, it cancels the request at the server; `result` rejects with its reason, and the events end. */
  readonly signal?: AbortSignal;
}

/** How to call. */
export interface CallOptions extends SubmitOptions {
  /** After so long the call rejects with a TimeoutError; the request goes on at the server. */
  readonly timeoutMs?: number;
}

/**
 * Calls actions and watches jobs; made by `connect`. Any number of requests may be open at once.
 *
 * It outlives its sockets: when one is lost it opens another, and every open request goes on where it was. What is
 * submitted meanwhile is sent then. Only when it cannot come back, or is closed, is every open request rejected with
 * ConnectionLost.
 */
export class Session<A extends ActionMap<A> = AnyActions> implements AsyncDisposable {
  /** Resolves when the session has ended, with why. */
  readonly ended: Promise<ConnectionLost>;
  #lost: ConnectionLost | undefined; // why nothing works any more
  readonly #over = new AbortController(); // the session has ended
  readonly #sender: Sender;

  /** @internal */
  constructor(
    private readonly keeper: Keeper,
    private readonly requests: Requests,
    private readonly clock: Clock,
  ) {
    this.#sender = {
      sendCancel: (submission) => this.#sendCancel(submission),
      sendUnwatch: (submission) => this.#sendUnwatch(submission),
      wasSent: (submission) => requests.wasSent(submission),
      forget: (submission) => requests.forget(submission),
      pause: (ms) => clock.sleep(ms, this.#over.signal),
    };
    this.ended = this.#live();
  }

  /** Where the session is at the moment. */
  get state(): ConnectionState {
    return this.keeper.state;
  }

  /** What the newest node said first. */
  get welcome(): Welcome {
    return this.keeper.identity.welcome;
  }

  /** This client's place to receive, as the server calls it; it stays the same when the socket changes. */
  get connectionId(): string {
    return this.keeper.identity.connectionId;
  }

  /** When the token that the newest node has expires, in Unix seconds; undefined where that is not said. */
  get tokenExpiresAt(): number | undefined {
    return this.keeper.identity.tokenExpiresAt;
  }

  /** The outcomes of durable requests that the newest node offered, less those that were acknowledged since. */
  get inbox(): readonly Offer[] {
    return this.keeper.identity.inbox;
  }

  /**
   * Calls an action, inline or queued, and resolves with what it answers. Rejects with RequestFailed, ConnectionLost, a
   * TimeoutError after `timeoutMs`, and the reason of an aborted `signal`.
   */
  async call<N extends Name<A>>(action: N, ...args: Arguments<A, N, CallOptions>): Promise<Result<A, N>> {
    const [payload, how = {}] = args as [unknown, CallOptions?];
    const submission = this.#submit<Result<A, N>>(action, payload, how);
    if (how.timeoutMs === undefined) {
      return submission.result();
    }
    const over = new AbortController();
    try {
      return await Promise.race([submission.result(), this.#late(how.timeoutMs, over.signal)]);
    } finally {
      over.abort();
      if (!submission.done) {
        this.requests.forget(submission as Submission);
      }
    }
  }

  /**
   * Sends a request and returns at once; see Submission for what to do with it. With `options: {durable: true}` the
   * outcome is kept in the inbox until `ack`. Throws ConnectionLost if the session has ended, TypeError if the id is not
   * one, a request of that id is open, or the payload is not JSON.
   */
  submit<N extends Name<A>>(action: N, ...args: Arguments<A, N, SubmitOptions>): Submission<Result<A, N>, ChunkOf<A, N>> {
    const [payload, how = {}] = args as [unknown, SubmitOptions?];
    return this.#submit(action, payload, how);
  }

  /**
   * A request of this user that an earlier life of this program sent: its chunks from the first one on, its newest
   * progress and its outcome. Of an inline request there is nothing: NOT_FOUND. Throws like `submit`.
   */
  resume<R = unknown, C = unknown>(requestId: string): Submission<R, C> {
    return this.#open(new Submission<R, C>(this.#checked(requestId), "resume", this.#sender));
  }

  /**
   * The events of a job, whoever in this tenant submitted it; its `requestId` here is the job id. `events`: the frame
   * types that are wanted (progress, chunk, retrying), absent: all; the outcome comes in any case. Throws like `submit`.
   */
  watch<R = unknown, C = unknown>(jobId: string, { events }: { events?: readonly string[] } = {}): Submission<R, C> {
    return this.#open(new Submission<R, C>(this.#checked(jobId), "subscribe", this.#sender, undefined, events));
  }

  /** Stops watching; see `Submission.unwatch`. Nothing happens where the job is not watched (any more). */
  unwatch(jobId: string): void {
    this.requests.get(jobId)?.unwatch();
  }

  /**
   * Takes the outcome of a durable request off the inbox, now or when there is a socket again. Nobody does that by
   * himself: call it when what the outcome is for has been done. Throws like `submit`.
   */
  ack(requestId: string): void {
    this.keeper.identity.ack(this.#checked(requestId));
    const visit = this.keeper.visit;
    if (visit?.isSettled === true) {
      visit.send(asking.ack(requestId));
    }
  }

  /**
   * Asks the node for a sign of life; resolves with the milliseconds that it took. Rejects with ConnectionLost where there
   * is no socket at the moment or it is lost meanwhile; the session may well live on.
   */
  async ping(): Promise<number> {
    const visit = this.keeper.visit;
    if (this.#lost !== undefined || visit === undefined) {
      const loss = this.#lost ?? this.keeper.loss;
      throw new ConnectionLost(loss.code, loss.reason);
    }
    return visit.ping();
  }

  /** Sends what was submitted, then closes the socket. Open requests are rejected with ConnectionLost. */
  async close(): Promise<void> {
    this.keeper.stop();
    await this.keeper.visit?.leave();
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #live(): Promise<ConnectionLost> {
    this.#lost = await this.keeper.run();
    this.#over.abort();
    this.requests.lose(this.#lost);
    return this.#lost;
  }

  async #late(timeoutMs: number, over: AbortSignal): Promise<never> {
    await this.clock.after(timeoutMs, over);
    throw new DOMException(`There was no answer within ${timeoutMs} ms.`, "TimeoutError");
  }

  #submit<R, C = unknown>(action: string, payload: unknown, how: SubmitOptions): Submission<R, C> {
    const requestId = this.#checked(how.id ?? uuid7());
    const frame = asking.request(requestId, action, payload, how.options, how.metadata);
    JSON.stringify(frame); // throws here, where the caller sees it
    const submission = new Submission<R, C>(requestId, "request", this.#sender, frame);
    how.signal?.throwIfAborted();
    this.#open(submission);
    if (how.signal !== undefined) {
      abortWith(how.signal, submission as Submission);
    }
    return submission;
  }

  #open<R, C>(submission: Submission<R, C>): Submission<R, C> {
    const opened = submission as Submission;
    this.requests.add(opened);
    const visit = this.keeper.visit;
    if (visit?.isOpen === true) {
      visit.ask(opened);
    } else {
      opened.postpone();
    }
    return submission;
  }

  #checked(requestId: string): string {
    if (this.#lost !== undefined) {
      throw new ConnectionLost(this.#lost.code, this.#lost.reason, { cause: this.#lost.cause });
    }
    return checked(requestId);
  }

  #sendCancel(submission: Submission): void {
    const visit = this.keeper.visit;
    if (visit?.isOpen === true) {
      visit.cancel(submission);
    }
  }

  #sendUnwatch(submission: Submission): void {
    if (submission.way !== "subscribe") {
      throw new TypeError(`request ${submission.requestId} is not watched: it was sent from here`);
    }
    if (submission.done) {
      return;
    }
    const visit = this.keeper.visit;
    this.requests.forget(submission);
    submission.lose(new Unwatched("This client stopped watching."));
    if (visit?.isSettled === true) {
      visit.send(asking.unsubscribe(submission.requestId));
    }
  }
}

function abortWith(signal: AbortSignal, submission: Submission): void {
  const abort = (): void => submission.abort(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  const stop = (): void => signal.removeEventListener("abort", abort);
  submission.result().then(stop, stop);
}
