// A node that says what a test tells it to say, over real sockets, and a clock that a test moves.

import { once } from "node:events";
import WebSocket, { WebSocketServer } from "ws";
import { connect } from "../dist/index.js";

export const WELCOME = {
  type: "welcome",
  connection_id: "boot.abc",
  node_id: "boot",
  heartbeat_ms: 20_000,
  limits: { message_bytes: 131_072, in_flight: 64, rate: 100 },
  reconnect: { min_ms: 0, max_ms: 0 },
  inbox: [],
  timestamp: 1,
};

export const ofJob = (type, request_id, seq, fields = {}) => ({
  type,
  request_id,
  job_id: "j",
  attempt: 1,
  seq,
  timestamp: 1,
  ...fields,
});
export const acknowledgment = (id) => ofJob("acknowledgment", id, 0, { attempt: 0, status: "queued", state: "PENDING", message: "" });
export const progress = (id, seq, percentage = seq) => ofJob("progress", id, seq, { percentage, message: "" });
export const chunk = (id, index, fields = {}) => ofJob("chunk", id, index + 1, { index, data: index, ...fields });
export const complete = (id, seq, result, chunks = 0) => ofJob("complete", id, seq, { success: true, result, chunks });
export const response = (id, data) => ({ type: "response", request_id: id, success: true, data, timestamp: 1 });
export const refusal = (code, request_id, after_ms) => ({
  type: "error",
  request_id,
  success: false,
  error: { code, message: "no", retry: { retryable: after_ms !== undefined, after_ms } },
  final: false,
  timestamp: 1,
});

/** Things that come one by one, and are waited for. */
export class Arrivals {
  #items = [];
  #waiting = [];

  put(item) {
    const next = this.#waiting.shift();
    if (next) {
      next(item);
    } else {
      this.#items.push(item);
    }
  }

  next() {
    return this.#items.length > 0 ? Promise.resolve(this.#items.shift()) : new Promise((done) => this.#waiting.push(done));
  }

  get size() {
    return this.#items.length;
  }
}

export class ScriptedNode {
  first = WELCOME; // what is said on every socket; undefined: nothing
  protocol = true; // whether it takes the version that it is offered
  closes = []; // the next sockets are taken and closed with these codes
  offered = []; // the subprotocols of every handshake
  joined = new Arrivals(); // sockets
  #heard = new Arrivals();
  #server;

  static async listening(t) {
    const node = new ScriptedNode();
    const handleProtocols = (protocols) => (node.protocol && protocols.has("streamer.v1") ? "streamer.v1" : false);
    node.#server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols });
    node.#server.on("connection", (socket, request) => node.#take(socket, request));
    await once(node.#server, "listening");
    node.url = `ws://127.0.0.1:${node.#server.address().port}/ws`;
    t.after(() => node.stop());
    return node;
  }

  stop() {
    for (const socket of this.#server.clients) {
      socket.terminate();
    }
    this.#server.close();
  }

  #take(socket, request) {
    this.offered.push(request.headers["sec-websocket-protocol"]);
    socket.on("message", (data) => this.#heard.put(JSON.parse(data)));
    const code = this.closes.shift();
    if (code !== undefined) {
      socket.close(code, "no");
      return;
    }
    this.socket = socket;
    if (this.first !== undefined) {
      this.say(this.first);
    }
    this.joined.put(socket);
  }

  say(...frames) {
    for (const frame of frames) {
      this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    }
  }

  /** The next frame of the client. */
  heard() {
    return this.#heard.next();
  }

  get unheard() {
    return this.#heard.size;
  }

  /** Ends the newest socket as a dead machine does; resolves when the next one is there. */
  async cut() {
    this.socket.terminate();
    return this.joined.next();
  }

  /** The next frame, which must be a `resume`; these requests are there. */
  async resumed(...ids) {
    const frame = await this.heard();
    if (frame.type !== "resume") {
      throw new Error(`expected a resume, heard ${JSON.stringify(frame)}`);
    }
    const requests = ids.map((request_id) => ({ request_id, job_id: "j", recovered: true }));
    this.say({ type: "resumed", connection_id: "boot.abc", requests, timestamp: 1 });
    return frame;
  }
}

/** A session with the node; closed at the end of the test. */
export async function session(t, node, options = {}) {
  const opened = await connect(node.url, { WebSocket, clock: new ScriptedClock(), ...options });
  t.after(() => opened.close());
  await node.joined.next();
  return opened;
}

/** A clock that stands still until it is moved; pauses of nothing pass by themselves. */
export class ScriptedClock {
  windows = []; // of every random choice
  #now = 0;
  #sleepers = new Set();
  #news = new Arrivals();

  now() {
    return this.#now;
  }

  sleep(ms, ended) {
    if (ended?.aborted) {
      return Promise.resolve(false);
    }
    if (ms <= 0) {
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const sleeper = { at: this.#now + ms, wake: () => this.#wake(sleeper, resolve, true) };
      ended?.addEventListener("abort", () => this.#wake(sleeper, resolve, false), { once: true });
      this.#sleepers.add(sleeper);
      this.#news.put(ms);
    });
  }

  async after(ms, over) {
    if (!(await this.sleep(ms, over))) {
      await new Promise(() => undefined);
    }
  }

  between(low, high) {
    this.windows.push([low, high]);
    return low;
  }

  /** Resolves when somebody sleeps for so long. */
  async sleeping(ms) {
    while ((await this.#news.next()) !== ms);
  }

  /** Time passes. */
  advance(ms) {
    this.#now += ms;
    for (const sleeper of [...this.#sleepers].sort((a, b) => a.at - b.at)) {
      if (sleeper.at <= this.#now) {
        sleeper.wake();
      }
    }
  }

  #wake(sleeper, resolve, whole) {
    this.#sleepers.delete(sleeper);
    resolve(whole);
  }
}

/** All events of a submission. */
export async function all(submission) {
  const events = [];
  for await (const event of submission) {
    events.push(event);
  }
  return events;
}
