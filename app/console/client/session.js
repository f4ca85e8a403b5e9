/// <reference lib="esnext.disposable" preserve="true" />
import * as asking from "./asking.js";
import { ConnectionLost, Unwatched } from "./errors.js";
import { checked, uuid7 } from "./ids.js";
import { Submission } from "./submission.js";
/**
 * Calls actions and watches jobs; made by `connect`. Any number of requests may be open at once.
 *
 * It outlives its sockets: when one is lost it opens another, and every open request goes on where it was. What is
 * submitted meanwhile is sent then. Only when it cannot come back, or is closed, is every open request rejected with
 * ConnectionLost.
 */
export class Session {
    keeper;
    requests;
    clock;
    /** Resolves when the session has ended, with why. */
    ended;
    #lost; // why nothing works any more
    #over = new AbortController(); // the session has ended
    #sender;
    /** @internal */
    constructor(keeper, requests, clock) {
        this.keeper = keeper;
        this.requests = requests;
        this.clock = clock;
        this.#sender = {
            sendCancel: (submission) => this.#sendCancel(submission),
            sendUnwatch: (submission) => this.#sendUnwatch(submission),
            wasSent: (submission) => requests.wasSent(submission),
            forget: (submission) => requests.forget(submission),
            pause: (ms) => clock.sleep(ms, this.#over.signal),
        };
        this.ended = this.#live();
    }
    /** Where the session is at the moment. */
    get state() {
        return this.keeper.state;
    }
    /** What the newest node said first. */
    get welcome() {
        return this.keeper.identity.welcome;
    }
    /** This client's place to receive, as the server calls it; it stays the same when the socket changes. */
    get connectionId() {
        return this.keeper.identity.connectionId;
    }
    /** When the token that the newest node has expires, in Unix seconds; undefined where that is not said. */
    get tokenExpiresAt() {
        return this.keeper.identity.tokenExpiresAt;
    }
    /** The outcomes of durable requests that the newest node offered, less those that were acknowledged since. */
    get inbox() {
        return this.keeper.identity.inbox;
    }
    /**
     * Calls an action, inline or queued, and resolves with what it answers. Rejects with RequestFailed, ConnectionLost, a
     * TimeoutError after `timeoutMs`, and the reason of an aborted `signal`.
     */
    async call(action, ...args) {
        const [payload, how = {}] = args;
        const submission = this.#submit(action, payload, how);
        if (how.timeoutMs === undefined) {
            return submission.result();
        }
        const over = new AbortController();
        try {
            return await Promise.race([submission.result(), this.#late(how.timeoutMs, over.signal)]);
        }
        finally {
            over.abort();
            if (!submission.done) {
                this.requests.forget(submission);
            }
        }
    }
    /**
     * Sends a request and returns at once; see Submission for what to do with it. With `options: {durable: true}` the
     * outcome is kept in the inbox until `ack`. Throws ConnectionLost if the session has ended, TypeError if the id is not
     * one, a request of that id is open, or the payload is not JSON.
     */
    submit(action, ...args) {
        const [payload, how = {}] = args;
        return this.#submit(action, payload, how);
    }
    /**
     * A request of this user that an earlier life of this program sent: its chunks from the first one on, its newest
     * progress and its outcome. Of an inline request there is nothing: NOT_FOUND. Throws like `submit`.
     */
    resume(requestId) {
        return this.#open(new Submission(this.#checked(requestId), "resume", this.#sender));
    }
    /**
     * The events of a job, whoever in this tenant submitted it; its `requestId` here is the job id. `events`: the frame
     * types that are wanted (progress, chunk, retrying), absent: all; the outcome comes in any case. Throws like `submit`.
     */
    watch(jobId, { events } = {}) {
        return this.#open(new Submission(this.#checked(jobId), "subscribe", this.#sender, undefined, events));
    }
    /** Stops watching; see `Submission.unwatch`. Nothing happens where the job is not watched (any more). */
    unwatch(jobId) {
        this.requests.get(jobId)?.unwatch();
    }
    /**
     * Takes the outcome of a durable request off the inbox, now or when there is a socket again. Nobody does that by
     * himself: call it when what the outcome is for has been done. Throws like `submit`.
     */
    ack(requestId) {
        this.keeper.identity.ack(this.#checked(requestId));
        const visit = this.keeper.visit;
        if (visit?.isSettled === true) {
            visit.send(asking.ack(requestId));
        }
    }
    /**
     * Asks the node for a sign of life; resolves with the milliseconds that it took. Rejects with ConnectionLost where there
     * is no socket at the moment or it is lost meanwhile; the session may well live on.
     */
    async ping() {
        const visit = this.keeper.visit;
        if (this.#lost !== undefined || visit === undefined) {
            const loss = this.#lost ?? this.keeper.loss;
            throw new ConnectionLost(loss.code, loss.reason);
        }
        return visit.ping();
    }
    /** Sends what was submitted, then closes the socket. Open requests are rejected with ConnectionLost. */
    async close() {
        this.keeper.stop();
        await this.keeper.visit?.leave();
        await this.ended;
    }
    async [Symbol.asyncDispose]() {
        await this.close();
    }
    async #live() {
        this.#lost = await this.keeper.run();
        this.#over.abort();
        this.requests.lose(this.#lost);
        return this.#lost;
    }
    async #late(timeoutMs, over) {
        await this.clock.after(timeoutMs, over);
        throw new DOMException(`There was no answer within ${timeoutMs} ms.`, "TimeoutError");
    }
    #submit(action, payload, how) {
        const requestId = this.#checked(how.id ?? uuid7());
        const frame = asking.request(requestId, action, payload, how.options, how.metadata);
        JSON.stringify(frame); // throws here, where the caller sees it
        const submission = new Submission(requestId, "request", this.#sender, frame);
        how.signal?.throwIfAborted();
        this.#open(submission);
        if (how.signal !== undefined) {
            abortWith(how.signal, submission);
        }
        return submission;
    }
    #open(submission) {
        const opened = submission;
        this.requests.add(opened);
        const visit = this.keeper.visit;
        if (visit?.isOpen === true) {
            visit.ask(opened);
        }
        else {
            opened.postpone();
        }
        return submission;
    }
    #checked(requestId) {
        if (this.#lost !== undefined) {
            throw new ConnectionLost(this.#lost.code, this.#lost.reason, { cause: this.#lost.cause });
        }
        return checked(requestId);
    }
    #sendCancel(submission) {
        const visit = this.keeper.visit;
        if (visit?.isOpen === true) {
            visit.cancel(submission);
        }
    }
    #sendUnwatch(submission) {
        if (submission.way !== "subscribe") {
            throw new TypeError(`request ${submission.requestId} is not watched: it was sent from here`);
        }
        if (submission.done) {
            return;
        }
        const visit = this.keeper.visit;
        this.requests.forget(submission);
        submission.lose(new Unwatched("This client stopped watching."));
        if (visit?.isSettled === true) {
            visit.send(asking.unsubscribe(submission.requestId));
        }
    }
}
function abortWith(signal, submission) {
    const abort = () => submission.abort(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const stop = () => signal.removeEventListener("abort", abort);
    submission.result().then(stop, stop);
}
