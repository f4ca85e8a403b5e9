/** Opening a socket: the handshake, and what a refusal says. */

import type { Clock } from "./clock.js";
import { BEARER, Close, VERSION_1 } from "./codes.js";
import { aborted, Deferred } from "./deferred.js";
import { CannotConnect, HandshakeRefused } from "./errors.js";
import { read, welcome, type Frame, type Welcome } from "./frames.js";
import type { Tokens } from "./tokens.js";

/** The WebSocket class of the browser, or one like it: `ws` for Node below 22. */
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocket;
/** Is told every frame, the tokens in `auth` left out. */
export type OnFrame = (direction: "sent" | "received", frame: Frame) => void;

/** A socket whose node has said welcome, and the token that it took. */
export interface Opened {
  readonly socket: WebSocket;
  readonly welcome: Welcome;
  /** What came right behind the welcome, before anybody listened. */
  readonly backlog: readonly unknown[];
  readonly token: string | undefined;
}

const SCHEMES: Readonly<Record<string, string>> = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" };

/** The WebSocket URL of a node, from what people type; the path defaults to `/ws`. Throws CannotConnect. */
export function address(url: string | URL): string {
  let parts: URL;
  try {
    parts = new URL(url);
  } catch {
    throw new CannotConnect(`${String(url)} is not a URL that begins with ws://, wss://, http:// or https://.`);
  }
  const scheme = SCHEMES[parts.protocol];
  if (scheme === undefined) {
    throw new CannotConnect(`${String(url)} is not a URL that begins with ws://, wss://, http:// or https://.`);
  }
  const path = parts.pathname === "/" ? "/ws" : parts.pathname;
  return `${scheme}//${parts.host}${path}${parts.search}`;
}

/** Opens sockets to one address, each with the token of its moment. */
export class Dialer {
  constructor(
    readonly tokens: Tokens,
    private readonly url: string,
    private readonly socketClass: WebSocketClass,
    private readonly openTimeoutMs: number,
    private readonly onFrame: OnFrame,
    private readonly clock: Clock,
  ) {}

  /** Rejects with CannotConnect, and HandshakeRefused with the node's close code; at once when `ended` aborts. */
  async dial(ended: AbortSignal): Promise<Opened> {
    const token = await Promise.race([this.tokens.next(), givenUp(ended)]);
    const socket = this.#socket(token);
    const over = new AbortController();
    try {
      return { token, ...(await Promise.race([this.#taken(socket), this.#late(over.signal), givenUp(ended)])) };
    } catch (error) {
      drop(socket);
      throw error;
    } finally {
      over.abort();
    }
  }

  #socket(token: string | undefined): WebSocket {
    try {
      return new this.socketClass(this.url, token === undefined ? [VERSION_1] : [VERSION_1, BEARER + token]);
    } catch (error) {
      throw new CannotConnect(`Cannot connect to ${this.url}: ${String(error)}.`, { cause: error });
    }
  }

  /** Resolves with the node's first frame; what comes right behind it is kept for whoever listens next. */
  #taken(socket: WebSocket): Promise<Omit<Opened, "token">> {
    const taken = new Deferred<Omit<Opened, "token">>();
    const stranger = (): void => taken.reject(new CannotConnect(`${this.url} does not speak ${VERSION_1}.`));
    socket.onmessage = ({ data }) => {
      const frame = read(data);
      const said = welcome(frame);
      if (frame === undefined || said === undefined) {
        stranger();
        return;
      }
      const backlog: unknown[] = [];
      socket.onmessage = (next) => backlog.push(next.data);
      this.onFrame("received", frame);
      taken.resolve({ socket, welcome: said, backlog });
    };
    socket.onopen = () => {
      if (socket.protocol !== VERSION_1) {
        stranger();
      }
    };
    socket.onclose = ({ code, reason }) => taken.reject(this.#refused(code, reason));
    socket.onerror = () => undefined; // `close` follows, and says as much as a browser tells
    return taken.promise;
  }

  #refused(code: number, reason: string): CannotConnect {
    const isRefusal = code !== Close.NO_CLOSE_FRAME;
    return isRefusal ? new HandshakeRefused(code, reason) : new CannotConnect(`Cannot connect to ${this.url}.`);
  }

  async #late(over: AbortSignal): Promise<never> {
    await this.clock.after(this.openTimeoutMs, over);
    throw new CannotConnect(`${this.url} did not answer within ${this.openTimeoutMs} ms.`);
  }
}

async function givenUp(ended: AbortSignal): Promise<never> {
  await aborted(ended);
  throw new CannotConnect("The session was closed.");
}

/** The socket is of no use any more, and nobody listens to it. */
export function drop(socket: WebSocket): void {
  socket.onopen = socket.onmessage = socket.onclose = null;
  const { terminate } = socket as WebSocket & { terminate?: () => void }; // `ws` can do without a closing handshake
  if (terminate === undefined) {
    socket.close();
  } else {
    terminate.call(socket);
  }
}
