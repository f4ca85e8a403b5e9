/** Where the tokens of a session come from. */
import { CannotConnect } from "./errors.js";
/** Asks whoever makes them, for at most `timeoutMs` each time. */
export class Tokens {
    token;
    timeoutMs;
    clock;
    constructor(token, timeoutMs, clock) {
        this.token = token;
        this.timeoutMs = timeoutMs;
        this.clock = clock;
    }
    /** Whether the next one may be another. */
    get mayChange() {
        return typeof this.token === "function";
    }
    /** The token of this moment; undefined where the session goes without. Rejects with CannotConnect. */
    async next() {
        if (typeof this.token !== "function") {
            return this.token;
        }
        const over = new AbortController();
        try {
            return await Promise.race([this.#made(this.token), this.#late(over.signal)]);
        }
        finally {
            over.abort();
        }
    }
    async #made(make) {
        try {
            return await make();
        }
        catch (error) {
            // the seam to the caller's own code, which may ask a server that is down
            throw new CannotConnect(`There is no token: ${String(error)}.`, { cause: error });
        }
    }
    async #late(over) {
        await this.clock.after(this.timeoutMs, over);
        throw new CannotConnect(`There was no token within ${this.timeoutMs} ms.`);
    }
}
