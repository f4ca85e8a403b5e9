/** One stay of a session at a node, from its welcome to the end of the socket. */
import * as asking from "./asking.js";
import { Dialogue } from "./dialogue.js";
import { event, problem } from "./frames.js";
import { Link } from "./link.js";
import { Renewal } from "./renewal.js";
/** Where a node refuses for now and does not say until when. */
const ASKED_AGAIN_AFTER_MS = 1_000;
/**
 * Tells the node what the session waits for, hands on what the node says, and leaves when it is asked to.
 *
 * A session that comes back first says who it was, and until that is answered nothing else: the node takes a former
 * connection id only while it knows of nothing that belongs to the new one.
 */
export class Visit {
    around;
    /** The node knows who we are and what we wait for. */
    isSettled;
    /** When to be elsewhere, by the clock; undefined: the node has not asked us to go. */
    leavesAt;
    /** We went, as we were asked to. */
    hasLeft = false;
    isLeaving = false;
    #link;
    #dialogue;
    #renewal;
    #over = new AbortController(); // the socket is gone
    constructor(opened, around) {
        this.around = around;
        this.#link = new Link(opened, (frame) => this.#take(frame), around.onFrame, around.clock);
        this.#dialogue = new Dialogue(this.#link, around.clock, this.#over.signal);
        this.#renewal = new Renewal(around.tokens, opened.token, this.#dialogue, around.clock, this.#over.signal);
        this.isSettled = around.identity.reconnects === 0;
    }
    get isOver() {
        return this.#over.signal.aborted;
    }
    /** Whether new requests go to this node; else they wait for the next one. */
    get isOpen() {
        return this.isSettled && !this.isLeaving && !this.isOver;
    }
    /** Why the socket was given up for a reader that is behind: resolves when that one has caught up. */
    get held() {
        return this.#link.held;
    }
    /** Serves until the socket is gone; resolves with how it ended. To be called once. */
    async run() {
        const ended = this.#link.run();
        const telling = this.#tell();
        const loss = await ended;
        this.#over.abort();
        await telling;
        return loss;
    }
    /** Sends what was given to send, then closes the socket; so `run` ends. */
    async leave() {
        this.isLeaving = true;
        await this.#link.leave();
    }
    ping() {
        return this.#link.ping();
    }
    probe() {
        this.#link.probe();
    }
    // --- what we say -----------------------------------------------------------------------------------------
    send(frame) {
        this.#link.send(frame);
    }
    /** Asks for the request, now where that is a frame of its own, else with the next `resume`. */
    ask(submission) {
        if (submission.way === "resume") {
            this.around.requests.askFor(submission);
        }
        else {
            this.#sendAsking(submission);
        }
    }
    /** Sends the wish to cancel, if there is one and the node can hear of it by now. */
    cancel(submission) {
        if (submission.wantsCancel) {
            this.#link.send(asking.cancel(submission.requestId));
        }
    }
    #sendAsking(submission) {
        this.around.requests.asked(submission);
        this.#link.send(submission.asking ?? asking.subscribe(submission));
        this.cancel(submission);
    }
    async #tell() {
        const { requests } = this.around;
        if (!this.isSettled) {
            await this.#introduce();
        }
        while (!this.isLeaving && !this.isOver) {
            for (let batch = requests.toResume(); batch.length > 0 && !this.isOver; batch = requests.toResume()) {
                await this.#resume(batch);
            }
            this.#settle();
            await requests.unasked(this.#over.signal);
        }
    }
    /** Says who we were; a node that does not resume knows us by the id of its welcome. */
    async #introduce() {
        const { identity, requests } = this.around;
        const claim = { connection_id: identity.connectionId, n: identity.reconnects };
        if (!(await this.#resume(requests.toResume(), claim)) && !this.isOver) {
            identity.connectionId = identity.welcome.connection_id;
        }
    }
    #settle() {
        if (this.isOver) {
            return;
        }
        if (!this.isSettled) {
            this.isSettled = true;
            for (const requestId of this.around.identity.acksToRepeat()) {
                this.#link.send(asking.ack(requestId));
            }
            this.around.onChange();
        }
        for (const submission of this.around.requests.toSend()) {
            this.#sendAsking(submission);
        }
    }
    /** Asks for these, and as often as the node says that it cannot answer now. False where it does not. */
    async #resume(batch, claim) {
        for (const submission of batch) {
            this.around.requests.asked(submission);
        }
        const resume = asking.resume(batch, claim);
        for (;;) {
            const answer = await this.#dialogue.ask(resume, "resumed");
            if (answer === undefined || answer === "lost") {
                return answer === undefined;
            }
            if (answer.retry?.retryable !== true) {
                this.around.requests.refuse(batch, answer);
                return false;
            }
            await this.around.clock.sleep(pauseMs(answer), this.#over.signal);
        }
    }
    async #goWhenAsked(drain) {
        const { clock, requests } = this.around;
        const [low, high] = drain.reconnect_after_ms;
        const askedAt = clock.now();
        const staysMs = clock.between(low, high);
        this.leavesAt = askedAt + staysMs;
        if (!(await clock.sleep(staysMs, this.#over.signal))) {
            return;
        }
        this.isLeaving = true;
        this.around.onChange();
        const over = new AbortController();
        const deadline = clock.after(askedAt + drain.deadline_ms - clock.now(), over.signal);
        await Promise.race([requests.settled(this.#over.signal), deadline]);
        over.abort();
        this.hasLeft = true;
        await this.#link.leave();
    }
    // --- what the node says ----------------------------------------------------------------------------------
    #take(frame) {
        const said = event(frame);
        if (said === undefined) {
            this.#takeControl(frame);
            return undefined;
        }
        if (said.type === "error" && this.#isToBeRepeated(said)) {
            return undefined;
        }
        return this.around.requests.take(said);
    }
    /** Whether this refuses, for now, what the session asks on its own account; then it is asked again later. */
    #isToBeRepeated(refusal) {
        const submission = this.around.requests.get(refusal.request_id);
        if (submission?.isRefusedForNow(refusal) === true) {
            void this.#later(refusal.error, () => this.around.requests.askFor(submission));
            return true;
        }
        const isOfAnAck = submission === undefined && this.around.identity.hasAcked(refusal.request_id);
        if (isOfAnAck && refusal.error.retry?.retryable === true) {
            void this.#later(refusal.error, () => this.#link.send(asking.ack(refusal.request_id)));
            return true;
        }
        return false;
    }
    #takeControl(frame) {
        switch (frame.type) {
            case "resumed":
                this.#takeResumed(frame);
                break;
            case "subscribed":
                this.#subscribed(String(frame["job_id"]));
                break;
            case "token_expiring":
                void this.#renewal.expiring();
                break;
            case "authenticated":
                this.around.identity.tokenExpiresAt = frame["token_expires_at"];
                this.#dialogue.heeded("authenticated");
                break;
            case "drain":
                if (this.around.mayLeave() && this.leavesAt === undefined) {
                    void this.#goWhenAsked(frame);
                }
                break;
            case "error":
                this.#takeRefusal(problem(frame));
                break;
        }
    }
    /** At once, as the frames that follow are about what it says. */
    #takeResumed(resumed) {
        const { identity, requests } = this.around;
        identity.connectionId = resumed.connection_id ?? identity.connectionId;
        for (const submission of requests.resumed(resumed)) {
            this.cancel(submission);
        }
        this.#dialogue.heeded("resumed");
    }
    #subscribed(jobId) {
        const submission = this.around.requests.get(jobId);
        if (submission !== undefined) {
            submission.answered();
            this.cancel(submission);
        }
    }
    /** It names no request: it is of a `resume` or `auth`, or of something that the node could not read. */
    #takeRefusal(refusal) {
        if (!this.#dialogue.refused(refusal)) {
            console.warn(`streamer-client: the server could not read a frame: ${refusal.code}: ${refusal.message ?? ""}`);
        }
    }
    async #later(refusal, ask) {
        if (await this.around.clock.sleep(pauseMs(refusal), this.#over.signal)) {
            ask();
        }
    }
}
function pauseMs(refusal) {
    return refusal.retry?.after_ms ?? ASKED_AGAIN_AFTER_MS;
}
