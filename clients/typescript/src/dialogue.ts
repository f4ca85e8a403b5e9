/** Frames whose refusal names no request. */

import type { Clock } from "./clock.js";
import { aborted, Deferred } from "./deferred.js";
import type { Frame, Problem } from "./frames.js";
import type { Link } from "./link.js";

/** For the answer to a `resume` or an `auth`. A node that gives none is left: another may know more. */
const ANSWER_MS = 60_000;

/** What came of a question: `undefined` where it was heeded, a problem where it was refused, `lost` without an answer. */
export type Answer = Problem | undefined | "lost";

/** Has one of them under way at a time, so that it is plain which one was refused. */
export class Dialogue {
  #turn: Promise<unknown> = Promise.resolve();
  #heededBy = ""; // the type of the frame that says so of the newest question
  #answer: Deferred<Answer> | undefined; // to the newest question; undefined: it was answered

  constructor(
    private readonly link: Link,
    private readonly clock: Clock,
    private readonly ended: AbortSignal,
  ) {}

  /** Resolves when the frame was answered: heeded, which a frame of type `heededBy` says, or refused. */
  ask(frame: Frame, heededBy: string): Promise<Answer> {
    const asked = this.#turn.then(() => this.#ask(frame, heededBy));
    this.#turn = asked;
    return asked;
  }

  /** The node sent a frame of this type. */
  heeded(by: string): void {
    if (by === this.#heededBy) {
      this.#end(undefined);
    }
  }

  /** False where no question waits for its answer. */
  refused(problem: Problem): boolean {
    return this.#end(problem);
  }

  async #ask(frame: Frame, heededBy: string): Promise<Answer> {
    if (this.ended.aborted) {
      return "lost";
    }
    const answer = new Deferred<Answer>();
    this.#answer = answer;
    this.#heededBy = heededBy;
    this.link.send(frame);
    const over = new AbortController();
    const said = await Promise.race([answer.promise, this.#late(heededBy, over.signal), this.#lost()]);
    over.abort();
    this.#answer = undefined;
    return said;
  }

  async #late(heededBy: string, over: AbortSignal): Promise<Answer> {
    await this.clock.after(ANSWER_MS, over);
    console.warn(`streamer-client: the node owes an answer ("${heededBy}", or a refusal); reconnecting`);
    this.link.abort();
    return "lost";
  }

  async #lost(): Promise<Answer> {
    await aborted(this.ended);
    return "lost";
  }

  #end(answer: Answer): boolean {
    const waiting = this.#answer;
    this.#answer = undefined;
    waiting?.resolve(answer);
    return waiting !== undefined;
  }
}
