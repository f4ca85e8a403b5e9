/**
 * What can go wrong for a client.
 *
 * - `ClientError`
 *   - `CannotConnect`: nobody answers there, or somebody else
 *     - `HandshakeRefused`: the node answered, with a close code and a reason
 *   - `ConnectionLost`: the session has ended; what became of the open requests is not known here
 *   - `RequestFailed`: the server says that a request has no result
 *   - `Unwatched`: this client itself stopped watching a job
 */

import { Close, mayReconnect } from "./codes.js";
import type { Problem } from "./frames.js";

/** Every error that the client makes; its message is a sentence for a person. */
export class ClientError extends Error {
  override name = "ClientError";
}

/** Nobody answers at that address within the time, or it is not a Streamer node. */
export class CannotConnect extends ClientError {
  override name = "CannotConnect";
}

const REFUSALS: Readonly<Record<number, string>> = {
  [Close.RESTARTING]: "SERVICE_UNAVAILABLE",
  [Close.TOO_MANY_MESSAGES]: "RATE_LIMITED",
  [Close.TOKEN_REJECTED]: "UNAUTHORIZED",
  [Close.FORBIDDEN]: "FORBIDDEN",
  [Close.TOO_MANY_CONNECTIONS]: "SERVICE_UNAVAILABLE",
};

/** The node took the socket and closed it at once: with `closeCode`, which the protocol calls `code`. */
export class HandshakeRefused extends CannotConnect {
  override name = "HandshakeRefused";
  readonly code: string;

  constructor(readonly closeCode: number, readonly reason: string) {
    const code = REFUSALS[closeCode] ?? "SERVICE_UNAVAILABLE";
    super(`${code}: the node refused the connection (${closeCode}${reason && `: ${reason}`}).`);
    this.code = code;
  }
}

/**
 * The session ended; its newest socket with close code `code`, where 1006 stands for no close frame. `cause` is what the
 * last try to come back met, if there was one. A queued request that was acknowledged goes on at the server.
 */
export class ConnectionLost extends ClientError {
  override name = "ConnectionLost";

  constructor(readonly code: number, readonly reason = "", options?: ErrorOptions) {
    super(`The connection ended (${code}${reason && `: ${reason}`}).`, options);
  }

  /** Whether the server wants this client back after such a close. */
  get mayReconnect(): boolean {
    return mayReconnect(this.code);
  }
}

/** The outcome of a request is an error. `afterMs` says when to try again, where `retryable`. */
export class RequestFailed extends ClientError {
  override name = "RequestFailed";
  readonly code: string;
  readonly details: unknown;
  readonly retryable: boolean;
  readonly afterMs: number | undefined;

  constructor(problem: Problem, readonly requestId: string) {
    super(`${problem.code}: ${problem.message ?? ""}`);
    this.code = problem.code;
    this.details = problem.details;
    this.retryable = problem.retry?.retryable ?? false;
    this.afterMs = problem.retry?.after_ms;
  }
}

/** There is no outcome to wait for: `unwatch` was called before it came. */
export class Unwatched extends ClientError {
  override name = "Unwatched";
}
