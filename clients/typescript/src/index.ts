/**
 * The TypeScript client of Streamer.
 *
 * ```ts
 * const session = await connect("ws://127.0.0.1:8080/ws", { token });
 * const answer = await session.call("echo", { message: "hi" });
 * for await (const event of session.submit("generate_report", {…})) { … }
 * ```
 */

export type { ActionMap, ActionTypes, AnyActions } from "./actions.js";
export type { RequestOptions } from "./asking.js";
export { Close, mayReconnect } from "./codes.js";
export { connect, type ConnectOptions } from "./connect.js";
export type { OnFrame } from "./dialer.js";
export { CannotConnect, ClientError, ConnectionLost, HandshakeRefused, RequestFailed, Unwatched } from "./errors.js";
export type {
  Acknowledgment,
  Cancelling,
  Chunk,
  Complete,
  Failure,
  Frame,
  Offer,
  Outcome,
  Problem,
  Progress,
  Response,
  Retrying,
  StreamerEvent,
  Welcome,
} from "./frames.js";
export type { ConnectionState } from "./keeper.js";
export { Session, type CallOptions, type SubmitOptions } from "./session.js";
export { Submission } from "./submission.js";
export type { Token } from "./tokens.js";
