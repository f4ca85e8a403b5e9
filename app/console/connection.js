// One WebSocket to this node: says what state it is in, hands on every frame of both directions.

const VERSION = "streamer.v1";
const HEARTBEAT_MS = 20_000;

// What the close codes of the protocol mean for a person.
const CLOSED = {
  1000: "closed",
  1006: "the connection was lost or refused",
  1009: "a frame was too big",
  1011: "keep-alive lost",
  1012: "the node restarts",
  1013: "this page read too slowly",
  4401: "the token has expired",
  4429: "too many messages",
  4500: "the token was rejected",
  4503: "this is not allowed",
  4504: "too many connections",
};

export class Connection {
  #socket = null; // null: not connected
  #heartbeat = 0; // timer of the pings

  /** `onState(state, text)` with state connecting, open or closed; `onFrame(direction, frame)`. */
  constructor({ onState, onFrame }) {
    this.onState = onState;
    this.onFrame = onFrame;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  open(token) {
    this.close();
    const url = new URL("ws", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    let socket;
    try {
      socket = new WebSocket(url, token ? [VERSION, `bearer.${token}`] : [VERSION]);
    } catch {
      this.onState("closed", "this token has characters that no token has");
      return;
    }
    this.#socket = socket;
    this.onState("connecting", "connecting");
    socket.onmessage = (event) => this.#take(JSON.parse(event.data));
    socket.onclose = (event) => this.#closed(socket, event);
  }

  close() {
    this.#socket?.close(1000);
  }

  send(frame) {
    this.#socket.send(JSON.stringify(frame));
    this.onFrame("sent", frame);
  }

  #take(frame) {
    if (frame.type === "welcome") {
      this.#beat(frame.heartbeat_ms || HEARTBEAT_MS);
      this.onState("open", `connected to ${frame.node_id}`);
    }
    this.onFrame("received", frame);
  }

  #beat(heartbeat_ms) {
    clearInterval(this.#heartbeat);
    this.#heartbeat = setInterval(() => this.isOpen && this.#socket.send('{"type":"ping"}'), heartbeat_ms);
  }

  #closed(socket, event) {
    if (socket !== this.#socket) {
      return; // another one has taken its place
    }
    clearInterval(this.#heartbeat);
    this.#socket = null;
    const meaning = event.reason || CLOSED[event.code] || "closed";
    this.onState("closed", `not connected: ${meaning} (${event.code})`);
  }
}
