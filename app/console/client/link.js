/** One socket of a session. */
import * as asking from "./asking.js";
import { Close } from "./codes.js";
import { Deferred } from "./deferred.js";
import { drop } from "./dialer.js";
import { ConnectionLost } from "./errors.js";
import { read } from "./frames.js";
/** How long closing waits for the node's part of it. */
const CLOSE_MS = 5_000;
/** How long after a ping a silent socket is taken for dead. */
const DEAD_AFTER_MS = 10_000;
/** The longest pause that timers know, 24 days. */
const LONGEST_MS = 2 ** 31 - 1;
/**
 * Reads, writes, and notices when the node is silent.
 *
 * Silent means: nothing came for the welcome's `heartbeat_ms`, then a ping was sent, and nothing came for 10 s more. Such a
 * socket is dropped without waiting for a closing handshake, as nobody would take part in it. A heartbeat of 0: never.
 */
export class Link {
    opened;
    take;
    onFrame;
    clock;
    /** Why the socket was given up for a reader that is behind: resolves when that one has caught up. */
    held;
    #socket;
    #over = new AbortController();
    #ended = new Deferred();
    #nap = new AbortController(); // ends the pause before the next beat
    #pings = new Map(); // not answered yet
    #pingIds = 0;
    #heardAt;
    #owesASign = false; // nothing was heard since the heartbeat's ping
    constructor(opened, take, onFrame, clock) {
        this.opened = opened;
        this.take = take;
        this.onFrame = onFrame;
        this.clock = clock;
        this.#socket = opened.socket;
        this.#heardAt = clock.now();
    }
    /** Serves until the socket is gone; resolves with how it ended. To be called once. */
    run() {
        const socket = this.#socket;
        socket.onclose = ({ code, reason }) => this.#end(new ConnectionLost(code, reason));
        socket.onmessage = ({ data }) => this.#receive(data);
        for (const data of this.opened.backlog) {
            this.#receive(data);
        }
        if (socket.readyState === CLOSED) {
            this.#end(new ConnectionLost(Close.NO_CLOSE_FRAME)); // before anybody listened
        }
        void this.#beat();
        return this.#ended.promise;
    }
    /** Sends it after everything that was given before. What is under way when the socket ends is lost. */
    send(frame) {
        if (this.#socket.readyState === OPEN && !this.#over.signal.aborted) {
            this.#socket.send(JSON.stringify(frame));
            this.onFrame("sent", frame.type === "auth" ? { ...frame, token: "…" } : frame);
        }
    }
    /** Resolves with the milliseconds until the answer. Rejects with ConnectionLost if the socket ends before. */
    ping() {
        const answer = new Deferred();
        this.#pingIds += 1;
        this.#pings.set(this.#pingIds, { since: this.clock.now(), answer });
        this.send(asking.ping(this.#pingIds));
        return answer.promise;
    }
    /** Finds out now whether the node lives, without waiting for the heartbeat. */
    probe() {
        this.#nap.abort();
    }
    /** Sends what was given to send, then closes the socket; so `run` ends. */
    async leave() {
        this.#socket.close(Close.NORMAL);
        if (await this.clock.sleep(CLOSE_MS, this.#over.signal)) {
            this.abort();
        }
    }
    /** The socket is of no use any more: `run` ends at once. */
    abort() {
        this.#end(new ConnectionLost(Close.NO_CLOSE_FRAME));
    }
    #receive(data) {
        if (this.#over.signal.aborted) {
            return; // a socket that was given up may still tell what it had
        }
        const frame = read(data);
        if (frame === undefined) {
            this.#end(new ConnectionLost(Close.INVALID_TEXT, "the server sent a frame that is not a JSON object"));
            return;
        }
        this.#heardAt = this.clock.now();
        this.#owesASign = false;
        this.onFrame("received", frame);
        if (frame.type === "pong") {
            this.#answerPing(frame["id"]);
            return;
        }
        this.held = this.take(frame);
        if (this.held !== undefined) {
            this.#end(new ConnectionLost(Close.NO_CLOSE_FRAME, "a reader of this session is behind"));
        }
    }
    get #silentMs() {
        return this.clock.now() - this.#heardAt;
    }
    async #beat() {
        const everyMs = this.opened.welcome.heartbeat_ms || LONGEST_MS;
        while (!this.#over.signal.aborted) {
            this.#nap = new AbortController();
            const isAsked = !(await this.clock.sleep(everyMs - this.#silentMs, this.#nap.signal));
            if (!this.#over.signal.aborted && (isAsked || this.#silentMs >= everyMs)) {
                await this.#askForASign();
            }
        }
    }
    async #askForASign() {
        this.#owesASign = true;
        this.send(asking.ping());
        if ((await this.clock.sleep(DEAD_AFTER_MS, this.#over.signal)) && this.#owesASign) {
            this.abort();
        }
    }
    #answerPing(id) {
        const ping = this.#pings.get(Number(id));
        if (ping !== undefined) {
            this.#pings.delete(Number(id));
            ping.answer.resolve(this.clock.now() - ping.since);
        }
    }
    #end(loss) {
        if (this.#over.signal.aborted) {
            return;
        }
        this.#over.abort();
        this.#nap.abort();
        drop(this.#socket);
        for (const { answer } of this.#pings.values()) {
            answer.reject(new ConnectionLost(loss.code, loss.reason));
        }
        this.#ended.resolve(loss);
    }
}
const OPEN = 1; // WebSocket.OPEN, whichever class it is
const CLOSED = 3;
