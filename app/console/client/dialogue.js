/** Frames whose refusal names no request. */
import { aborted, Deferred } from "./deferred.js";
/** For the answer to a `resume` or an `auth`. A node that gives none is left: another may know more. */
const ANSWER_MS = 60_000;
/** Has one of them under way at a time, so that it is plain which one was refused. */
export class Dialogue {
    link;
    clock;
    ended;
    #turn = Promise.resolve();
    #heededBy = ""; // the type of the frame that says so of the newest question
    #answer; // to the newest question; undefined: it was answered
    constructor(link, clock, ended) {
        this.link = link;
        this.clock = clock;
        this.ended = ended;
    }
    /** Resolves when the frame was answered: heeded, which a frame of type `heededBy` says, or refused. */
    ask(frame, heededBy) {
        const asked = this.#turn.then(() => this.#ask(frame, heededBy));
        this.#turn = asked;
        return asked;
    }
    /** The node sent a frame of this type. */
    heeded(by) {
        if (by === this.#heededBy) {
            this.#end(undefined);
        }
    }
    /** False where no question waits for its answer. */
    refused(problem) {
        return this.#end(problem);
    }
    async #ask(frame, heededBy) {
        if (this.ended.aborted) {
            return "lost";
        }
        const answer = new Deferred();
        this.#answer = answer;
        this.#heededBy = heededBy;
        this.link.send(frame);
        const over = new AbortController();
        const said = await Promise.race([answer.promise, this.#late(heededBy, over.signal), this.#lost()]);
        over.abort();
        this.#answer = undefined;
        return said;
    }
    async #late(heededBy, over) {
        await this.clock.after(ANSWER_MS, over);
        console.warn(`streamer-client: the node owes an answer ("${heededBy}", or a refusal); reconnecting`);
        this.link.abort();
        return "lost";
    }
    async #lost() {
        await aborted(this.ended);
        return "lost";
    }
    #end(answer) {
        const waiting = this.#answer;
        this.#answer = undefined;
        waiting?.resolve(answer);
        return waiting !== undefined;
    }
}
