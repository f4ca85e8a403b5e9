/** Keeping a session connected, from socket to socket. */

import type { Clock } from "./clock.js";
import { Close, mayReconnect } from "./codes.js";
import { aborted } from "./deferred.js";
import type { Dialer, OnFrame, Opened } from "./dialer.js";
import { CannotConnect, ConnectionLost, HandshakeRefused } from "./errors.js";
import { Identity } from "./identity.js";
import type { Requests } from "./requests.js";
import { Visit } from "./visit.js";

const LONGEST_PAUSE_MS = 20_000;
const FIRST_PAUSE_MS = 500;
const MOST_DOUBLINGS = 10; // far beyond the longest pause

/** Where the session is; `retryAt` (Unix ms) says when it tries next, where it is away. */
export interface ConnectionState {
  readonly name: "connecting" | "connected" | "resuming" | "leaving" | "away" | "ended";
  readonly nodeId?: string;
  /** Of the newest loss. */
  readonly code?: number;
  readonly reason?: string;
  readonly retryAt?: number;
}

export interface KeeperOptions {
  /** False: the first loss is the end. */
  readonly reconnect: boolean;
  /** So long after a loss no further try begins. */
  readonly giveUpAfterMs: number | undefined;
  readonly clock: Clock;
  readonly onFrame: OnFrame;
  readonly onState: (state: ConnectionState) => void;
}

/**
 * Dials again when a socket is lost, as the protocol asks: spread over the server's window at first, then with full
 * jitter, rarer and rarer up to 20 s.
 */
export class Keeper {
  readonly identity: Identity;
  /** How the newest socket ended. */
  loss = new ConnectionLost(Close.NO_CLOSE_FRAME);
  state: ConnectionState = { name: "connecting" };
  #newest: Visit;
  #failures = 0; // tries since the node of a socket knew what we wait for
  #lostAt: number | undefined; // since when there is no such node; undefined: there is one
  #reconnect: boolean;
  #nap = new AbortController(); // ends the pause before the next try
  readonly #stopped = new AbortController();

  constructor(
    private readonly dialer: Dialer,
    opened: Opened,
    private readonly requests: Requests,
    private readonly options: KeeperOptions,
  ) {
    this.identity = new Identity(opened.welcome);
    this.#reconnect = options.reconnect;
    this.#newest = this.#visit(opened);
  }

  /** Where the session is; undefined between two sockets. */
  get visit(): Visit | undefined {
    return this.#newest.isOver ? undefined : this.#newest;
  }

  /** Resolves with why it is over: the session cannot come back, or is not to. */
  async run(): Promise<ConnectionLost> {
    try {
      for (;;) {
        this.#show();
        this.loss = await this.#newest.run();
        this.requests.detach();
        const opened = await this.#comeBack(this.#newest);
        this.identity.cameBack(opened.welcome);
        this.#newest = this.#visit(opened);
      }
    } catch (error) {
      if (!(error instanceof ConnectionLost)) {
        throw error;
      }
      this.#tell({ name: "ended", code: error.code, reason: error.reason });
      return error;
    }
  }

  /** The next loss is the end, and so is this moment where there is no socket. */
  stop(): void {
    this.#reconnect = false;
    this.#stopped.abort();
    this.#nap.abort();
  }

  /** Asks the node for a sign of life, where there is a socket. */
  probe(): void {
    this.visit?.probe();
  }

  /** There may be a network again: tries at once where there is no socket, else asks the node for a sign of life. */
  hurry(): void {
    this.probe();
    this.#nap.abort();
  }

  #visit(opened: Opened): Visit {
    return new Visit(opened, {
      tokens: this.dialer.tokens,
      requests: this.requests,
      identity: this.identity,
      clock: this.options.clock,
      onFrame: this.options.onFrame,
      mayLeave: () => this.#reconnect,
      onChange: () => this.#show(),
    });
  }

  #show(): void {
    const { isSettled, isLeaving } = this.#newest;
    const name = isLeaving ? "leaving" : isSettled ? "connected" : "resuming";
    this.#tell({ name, nodeId: this.identity.welcome.node_id });
  }

  #tell(state: ConnectionState): void {
    this.state = state;
    this.options.onState(state);
  }

  /** Rejects with ConnectionLost where that is not to be, or has lasted too long. */
  async #comeBack(visit: Visit): Promise<Opened> {
    if (!this.#mayComeBack(visit)) {
      throw this.loss;
    }
    this.#count(visit);
    let pauseMs = await this.#firstPauseMs(visit);
    let refused: CannotConnect | undefined;
    while (this.#hasTime(pauseMs)) {
      await this.#pause(pauseMs);
      try {
        return await this.dialer.dial(this.#stopped.signal);
      } catch (error) {
        refused = this.#judged(error);
      }
      this.#failures += 1;
      pauseMs = this.#laterPauseMs();
    }
    throw new ConnectionLost(this.loss.code, `gave up after ${this.options.giveUpAfterMs} ms`, { cause: refused });
  }

  #mayComeBack(visit: Visit): boolean {
    if (!this.#reconnect || visit.hasLeft) {
      return this.#reconnect;
    }
    const needsToken = this.loss.code === Close.TOKEN_EXPIRED;
    return this.loss.mayReconnect && (!needsToken || this.dialer.tokens.mayChange);
  }

  /** A node that took us in and ended it before it had answered counts as one that did not take us in. */
  #count(visit: Visit): void {
    if (visit.isSettled) {
      this.#failures = 0;
      this.#lostAt = undefined;
    } else {
      this.#failures += 1;
    }
    this.#lostAt ??= this.options.clock.now();
  }

  /** The error, where trying again may help. Throws ConnectionLost where it is in vain. */
  #judged(error: unknown): CannotConnect {
    if (this.#stopped.signal.aborted) {
      throw this.loss;
    }
    if (!(error instanceof CannotConnect)) {
      throw error;
    }
    if (error instanceof HandshakeRefused && !this.#mayTryAgain(error)) {
      throw new ConnectionLost(error.closeCode, error.reason, { cause: error });
    }
    return error;
  }

  #mayTryAgain({ closeCode }: HandshakeRefused): boolean {
    const isOfToken = closeCode === Close.TOKEN_REJECTED || closeCode === Close.TOKEN_EXPIRED;
    return isOfToken ? this.dialer.tokens.mayChange : mayReconnect(closeCode);
  }

  #hasTime(pauseMs: number): boolean {
    const { giveUpAfterMs, clock } = this.options;
    return giveUpAfterMs === undefined || this.#lostAt === undefined || clock.now() + pauseMs - this.#lostAt <= giveUpAfterMs;
  }

  /** Ends early where there is reason to hurry. Rejects with ConnectionLost where the session is closed meanwhile. */
  async #pause(pauseMs: number): Promise<void> {
    const { code, reason } = this.loss;
    this.#tell({ name: "away", code, reason, retryAt: Date.now() + pauseMs });
    if (!this.#stopped.signal.aborted) {
      this.#nap = new AbortController();
      await this.options.clock.sleep(pauseMs, this.#nap.signal);
    }
    if (this.#stopped.signal.aborted) {
      throw this.loss;
    }
    this.#tell({ name: "connecting", code, reason });
  }

  async #firstPauseMs(visit: Visit): Promise<number> {
    if (visit.held !== undefined) {
      this.#tell({ name: "away", code: this.loss.code, reason: this.loss.reason });
      await Promise.race([visit.held, aborted(this.#stopped.signal)]);
      return 0;
    }
    if (this.#failures > 0) {
      return this.#laterPauseMs();
    }
    const { clock } = this.options;
    if (visit.leavesAt !== undefined) {
      return Math.max(0, visit.leavesAt - clock.now());
    }
    const { min_ms, max_ms } = this.identity.welcome.reconnect ?? { min_ms: 0, max_ms: 1_000 };
    return clock.between(min_ms, max_ms);
  }

  #laterPauseMs(): number {
    const doublings = Math.min(this.#failures, MOST_DOUBLINGS);
    return this.options.clock.between(0, Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** doublings));
  }
}
