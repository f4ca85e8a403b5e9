// @ts-check
// One request on the page: how far it is, what it puts out, what came of it.

import { button, element, fill, setText } from "../dom.js";
import { counted, pretty, shortened, span } from "../format.js";
import { Progress } from "./progress.js";

const CHUNKS_SHOWN = 20;
const CHUNK_CHARACTERS = 500;

/** @typedef {import("./progress.js").Status} Status */
const TONES = /** @type {Record<Status, string>} */ ({
  sent: "quiet",
  waiting: "quiet",
  running: "live",
  retrying: "warn",
  cancelling: "warn",
  lost: "bad",
  done: "good",
  failed: "bad",
  cancelled: "warn",
});

/** Follows a submission to its outcome. */
export class Card {
  progress = new Progress();
  #isPainting = false; // the next frame of the screen will show what is new
  /** @type {any} the submission that is followed now */
  #submission;

  /**
   * @param {string} action
   * @param {string} requestId
   * @param {{ onResume: (card: Card) => void, onOutcome: (card: Card) => void }} hooks
   *   `onResume`: its connection has ended and somebody wants it back
   */
  constructor(action, requestId, { onResume, onOutcome }) {
    this.action = action;
    this.requestId = requestId;
    this.onOutcome = onOutcome;
    this.status = element("span", { class: "badge" });
    this.attempt = element("span", { class: "badge", hidden: true });
    this.fault = element("p", { class: "fault", hidden: true });
    this.cancel = button("Cancel", () => this.#cancel(), { class: "quiet", ariaLabel: `Cancel ${action}` });
    this.resume = button("Resume", () => onResume(this), {
      class: "quiet",
      ariaLabel: `Resume ${action}`,
      hidden: true,
    });
    this.bar = element("progress", { max: 100, ariaLabel: `Progress of ${action}` });
    this.message = element("p", { class: "message" });
    this.percentage = element("span", { class: "percentage" });
    this.chunks = element("pre", {
      class: "chunks",
      role: "group",
      tabIndex: 0,
      ariaLabel: `Output of ${action}, the newest pieces`,
    });
    this.output = element("details", { class: "output", hidden: true, open: true }, element("summary"), this.chunks);
    this.outcome = element("div", { class: "stack" });
    this.node = this.#layOut();
    this.#paint();
  }

  /** Whether it can be forgotten: nothing more comes. */
  get isOver() {
    return this.progress.isOver;
  }

  /** Shows what comes of the submission, from now on. @param {any} submission */
  async follow(submission) {
    this.#submission = submission;
    try {
      for await (const event of submission) {
        this.progress.take(event);
        this.#change();
      }
    } catch (error) {
      this.progress.lose(/** @type {Error} */ (error).message);
    }
    this.#paint();
    if (this.isOver) {
      this.onOutcome(this);
    }
  }

  /** One sentence about how it ended. */
  summary() {
    const { status, error } = this.progress;
    return error && status === "failed" ? `${this.action} failed: ${error.code}` : `${this.action} ${status}`;
  }

  #layOut() {
    const title = element(
      "div",
      { class: "title" },
      element("h3", {}, this.action),
      this.status,
      this.attempt,
      element("span", { class: "end row" }, this.resume, this.cancel),
    );
    const line = element("div", { class: "line" }, this.message, this.percentage);
    const id = element("code", { class: "id" }, this.requestId);
    return element("li", { class: "card" }, title, id, this.bar, line, this.fault, this.output, this.outcome);
  }

  async #cancel() {
    this.cancel.disabled = true;
    this.fault.hidden = true;
    try {
      await this.#submission.cancel();
    } catch (error) {
      this.fault.hidden = false;
      setText(this.fault, `Not cancelled: ${/** @type {Error} */ (error).message}`);
      this.cancel.disabled = false;
    }
  }

  #change() {
    if (!this.#isPainting) {
      this.#isPainting = true;
      requestAnimationFrame(() => this.#paint());
    }
  }

  #paint() {
    this.#isPainting = false;
    const { status, attempt, message, percentage, isOver } = this.progress;
    this.node.dataset.status = status;
    this.status.dataset.tone = TONES[status];
    setText(this.status, status);
    this.attempt.hidden = attempt < 2;
    setText(this.attempt, `attempt ${attempt}`);
    setText(this.message, message || this.#aside());
    this.cancel.hidden = isOver || status === "lost";
    this.resume.hidden = status !== "lost";
    this.#paintBar(percentage, isOver || status === "lost");
    this.#paintChunks();
    this.#paintOutcome();
  }

  /** @param {number | undefined} percentage @param {boolean} isStill */
  #paintBar(percentage, isStill) {
    setText(this.percentage, percentage === undefined ? "" : `${Math.round(percentage)} %`);
    if (percentage === undefined && !isStill) {
      this.bar.removeAttribute("value");
    } else {
      this.bar.value = percentage ?? 0;
    }
  }

  #paintChunks() {
    const { count, chunks } = this.progress;
    this.output.hidden = count === 0;
    setText(this.output.firstElementChild, counted(count, "piece of output", "pieces of output"));
    const shown = chunks.slice(-CHUNKS_SHOWN).reverse();
    setText(
      this.chunks,
      shown.map(({ index, data }) => `${index}  ${shortened(JSON.stringify(data), CHUNK_CHARACTERS)}`).join("\n"),
    );
  }

  #paintOutcome() {
    const { result, error, isOver } = this.progress;
    if (!isOver || this.outcome.hasChildNodes()) {
      return;
    }
    const isFailure = error && error.code !== "CANCELLED";
    const failure =
      isFailure &&
      element("p", { class: "fault" }, element("strong", {}, error.code), error.message ? ` ${error.message}` : "");
    const value = result ? result.value : error?.details;
    const shown =
      value === undefined || value === null
        ? null
        : element("pre", { role: "group", tabIndex: 0, ariaLabel: `Outcome of ${this.action}` }, pretty(value));
    fill(this.outcome, failure, shown);
  }

  /** What there is to say where the action says nothing. */
  #aside() {
    const { isOver, startedAt, endedAt } = this.progress;
    return isOver && startedAt !== undefined && endedAt !== undefined ? `after ${span(endedAt - startedAt)}` : "";
  }
}
