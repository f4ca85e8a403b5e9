/** Keeping a session connected, from socket to socket. */
import { Close, mayReconnect } from "./codes.js";
import { aborted } from "./deferred.js";
import { CannotConnect, ConnectionLost, HandshakeRefused } from "./errors.js";
import { Identity } from "./identity.js";
import { Visit } from "./visit.js";
const LONGEST_PAUSE_MS = 20_000;
const FIRST_PAUSE_MS = 500;
const MOST_DOUBLINGS = 10; // far beyond the longest pause
/**
 * Dials again when a socket is lost, as the protocol asks: spread over the server's window at first, then with full
 * jitter, rarer and rarer up to 20 s.
 */
export class Keeper {
    dialer;
    requests;
    options;
    identity;
    /** How the newest socket ended. */
    loss = new ConnectionLost(Close.NO_CLOSE_FRAME);
    state = { name: "connecting" };
    #newest;
    #failures = 0; // tries since the node of a socket knew what we wait for
    #lostAt; // since when there is no such node; undefined: there is one
    #reconnect;
    #nap = new AbortController(); // ends the pause before the next try
    #stopped = new AbortController();
    constructor(dialer, opened, requests, options) {
        this.dialer = dialer;
        this.requests = requests;
        this.options = options;
        this.identity = new Identity(opened.welcome);
        this.#reconnect = options.reconnect;
        this.#newest = this.#visit(opened);
    }
    /** Where the session is; undefined between two sockets. */
    get visit() {
        return this.#newest.isOver ? undefined : this.#newest;
    }
    /** Resolves with why it is over: the session cannot come back, or is not to. */
    async run() {
        try {
            for (;;) {
                this.#show();
                this.loss = await this.#newest.run();
                this.requests.detach();
                const opened = await this.#comeBack(this.#newest);
                this.identity.cameBack(opened.welcome);
                this.#newest = this.#visit(opened);
            }
        }
        catch (error) {
            if (!(error instanceof ConnectionLost)) {
                throw error;
            }
            this.#tell({ name: "ended", code: error.code, reason: error.reason });
            return error;
        }
    }
    /** The next loss is the end, and so is this moment where there is no socket. */
    stop() {
        this.#reconnect = false;
        this.#stopped.abort();
        this.#nap.abort();
    }
    /** Asks the node for a sign of life, where there is a socket. */
    probe() {
        this.visit?.probe();
    }
    /** There may be a network again: tries at once where there is no socket, else asks the node for a sign of life. */
    hurry() {
        this.probe();
        this.#nap.abort();
    }
    #visit(opened) {
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
    #show() {
        const { isSettled, isLeaving } = this.#newest;
        const name = isLeaving ? "leaving" : isSettled ? "connected" : "resuming";
        this.#tell({ name, nodeId: this.identity.welcome.node_id });
    }
    #tell(state) {
        this.state = state;
        this.options.onState(state);
    }
    /** Rejects with ConnectionLost where that is not to be, or has lasted too long. */
    async #comeBack(visit) {
        if (!this.#mayComeBack(visit)) {
            throw this.loss;
        }
        this.#count(visit);
        let pauseMs = await this.#firstPauseMs(visit);
        let refused;
        while (this.#hasTime(pauseMs)) {
            await this.#pause(pauseMs);
            try {
                return await this.dialer.dial(this.#stopped.signal);
            }
            catch (error) {
                refused = this.#judged(error);
            }
            this.#failures += 1;
            pauseMs = this.#laterPauseMs();
        }
        throw new ConnectionLost(this.loss.code, `gave up after ${this.options.giveUpAfterMs} ms`, { cause: refused });
    }
    #mayComeBack(visit) {
        if (!this.#reconnect || visit.hasLeft) {
            return this.#reconnect;
        }
        const needsToken = this.loss.code === Close.TOKEN_EXPIRED;
        return this.loss.mayReconnect && (!needsToken || this.dialer.tokens.mayChange);
    }
    /** A node that took us in and ended it before it had answered counts as one that did not take us in. */
    #count(visit) {
        if (visit.isSettled) {
            this.#failures = 0;
            this.#lostAt = undefined;
        }
        else {
            this.#failures += 1;
        }
        this.#lostAt ??= this.options.clock.now();
    }
    /** The error, where trying again may help. Throws ConnectionLost where it is in vain. */
    #judged(error) {
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
    #mayTryAgain({ closeCode }) {
        const isOfToken = closeCode === Close.TOKEN_REJECTED || closeCode === Close.TOKEN_EXPIRED;
        return isOfToken ? this.dialer.tokens.mayChange : mayReconnect(closeCode);
    }
    #hasTime(pauseMs) {
        const { giveUpAfterMs, clock } = this.options;
        return giveUpAfterMs === undefined || this.#lostAt === undefined || clock.now() + pauseMs - this.#lostAt <= giveUpAfterMs;
    }
    /** Ends early where there is reason to hurry. Rejects with ConnectionLost where the session is closed meanwhile. */
    async #pause(pauseMs) {
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
    async #firstPauseMs(visit) {
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
    #laterPauseMs() {
        const doublings = Math.min(this.#failures, MOST_DOUBLINGS);
        return this.options.clock.between(0, Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** doublings));
    }
}
