/** Opening a session. */

import type { ActionMap, AnyActions } from "./actions.js";
import { Clock } from "./clock.js";
import { address, Dialer, type OnFrame, type WebSocketClass } from "./dialer.js";
import { CannotConnect } from "./errors.js";
import { Keeper, type ConnectionState } from "./keeper.js";
import * as page from "./page.js";
import { Requests } from "./requests.js";
import { Session } from "./session.js";
import { Tokens, type Token } from "./tokens.js";

/** How to connect. */
export interface ConnectOptions {
  /** A JWT, or a function that gives one: called for every handshake, and when the node says that it is about to expire. */
  readonly token?: Token;
  /** Needed where there is no global WebSocket (Node below 22): the class of the package `ws`. */
  readonly WebSocket?: unknown;
  /** False: the first loss is the end. Default: true. */
  readonly reconnect?: boolean;
  /** No try to come back begins later than that after the loss. Default: it goes on trying. */
  readonly giveUpAfterMs?: number;
  /** For one handshake. Default: 10,000. */
  readonly openTimeoutMs?: number;
  /** Is told where the session is, each time that changes. */
  readonly onState?: (state: ConnectionState) => void;
  /** Is told every frame, sent and received; tokens are left out. */
  readonly onFrame?: OnFrame;
  /** For tests. @internal */
  readonly clock?: Clock;
}

/**
 * A session with the service at `url` (`ws`, `wss`, `http` or `https`; the path defaults to `/ws`). Rejects with
 * CannotConnect where the first handshake fails, and HandshakeRefused with the node's close code.
 *
 * Later the session reconnects by itself, unless `reconnect` is false or the server does not want it back. `close` ends it;
 * requests that are open then are rejected with ConnectionLost.
 */
export async function connect<A extends ActionMap<A> = AnyActions>(
  url: string | URL,
  options: ConnectOptions = {},
): Promise<Session<A>> {
  const { token, reconnect = true, giveUpAfterMs, openTimeoutMs = 10_000, clock = new Clock() } = options;
  const onState = options.onState ?? (() => undefined);
  const onFrame = options.onFrame ?? (() => undefined);
  const tokens = new Tokens(token, openTimeoutMs, clock);
  const dialer = new Dialer(tokens, address(url), socketClass(options.WebSocket), openTimeoutMs, onFrame, clock);
  onState({ name: "connecting" });
  const opened = await dialer.dial(new AbortController().signal);
  const requests = new Requests();
  const keeper = new Keeper(dialer, opened, requests, { reconnect, giveUpAfterMs, clock, onFrame, onState });
  const session = new Session<A>(keeper, requests, clock);
  const stopListening = page.listen(() => keeper.hurry(), () => keeper.probe());
  void session.ended.then(stopListening, stopListening);
  return session;
}

function socketClass(given: unknown): WebSocketClass {
  const found = given ?? (globalThis as { WebSocket?: unknown }).WebSocket;
  if (found === undefined) {
    throw new CannotConnect("There is no WebSocket here: pass the class of the package `ws` as the option WebSocket.");
  }
  return found as WebSocketClass;
}
