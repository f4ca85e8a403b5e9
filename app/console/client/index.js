/**
 * The TypeScript client of Streamer.
 *
 * ```ts
 * const session = await connect("ws://127.0.0.1:8080/ws", { token });
 * const answer = await session.call("echo", { message: "hi" });
 * for await (const event of session.submit("generate_report", {…})) { … }
 * ```
 */
export { Close, mayReconnect } from "./codes.js";
export { connect } from "./connect.js";
export { CannotConnect, ClientError, ConnectionLost, HandshakeRefused, RequestFailed, Unwatched } from "./errors.js";
export { Session } from "./session.js";
export { Submission } from "./submission.js";
