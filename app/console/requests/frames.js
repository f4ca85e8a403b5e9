// @ts-check
// The log of frames: the newest on top, bounded, filtered by what a person looks for.

import { button, element, fill, uniqueId } from "../dom.js";
import { clock, pretty, shortened } from "../format.js";

const KEPT = 300;
const LINE_CHARACTERS = 300;
const HEARTBEAT = new Set(["ping", "pong"]);

/** @typedef {"sent" | "received"} Direction */
/** @typedef {{ direction: Direction, text: string, node: HTMLElement }} Entry */

/** Every frame of the session, save the heartbeat's. */
export class Frames {
  /** @type {Entry[]} the newest first */
  #entries = [];

  constructor() {
    const [directionId, textId] = [uniqueId("direction"), uniqueId("filter")];
    this.direction = element("select", { id: directionId, onchange: () => this.#filter() });
    fill(
      this.direction,
      ...[
        ["", "sent and received"],
        ["sent", "sent"],
        ["received", "received"],
      ].map(([value, text]) => element("option", { value }, text)),
    );
    this.text = element("input", {
      id: textId,
      type: "search",
      placeholder: "type, id or text",
      oninput: () => this.#filter(),
    });
    this.list = element("ol", { class: "plain frames", tabIndex: 0, ariaLabel: "Frames, the newest first" });
    this.hint = element(
      "p",
      { class: "hint" },
      `The newest first; the last ${KEPT} are kept, heartbeats are left out.`,
    );
    const labels = [
      element("label", { htmlFor: directionId, class: "unseen" }, "Direction"),
      element("label", { htmlFor: textId, class: "unseen" }, "Frames with"),
    ];
    const bar = element(
      "div",
      { class: "filters" },
      labels[0],
      this.direction,
      labels[1],
      this.text,
      button("Clear", () => this.#clear(), { class: "quiet" }),
    );
    this.node = element("div", { class: "stack" }, bar, this.list, this.hint);
  }

  /** @param {Direction} direction @param {any} frame */
  add(direction, frame) {
    if (HEARTBEAT.has(frame.type)) {
      return;
    }
    const text = JSON.stringify(frame);
    const entry = { direction, text, node: line(direction, frame, text) };
    entry.node.hidden = !this.#isWanted(entry);
    this.#entries.unshift(entry);
    this.list.prepend(entry.node);
    for (const old of this.#entries.splice(KEPT)) {
      old.node.remove();
    }
  }

  #filter() {
    for (const entry of this.#entries) {
      entry.node.hidden = !this.#isWanted(entry);
    }
  }

  /** @param {Entry} entry */
  #isWanted({ direction, text }) {
    const isOfDirection = this.direction.value === "" || this.direction.value === direction;
    return isOfDirection && text.toLowerCase().includes(this.text.value.trim().toLowerCase());
  }

  #clear() {
    this.#entries = [];
    fill(this.list);
  }
}

/**
 * One frame: a line, and on demand the whole of it.
 *
 * @param {Direction} direction
 * @param {any} frame
 * @param {string} text
 */
function line(direction, frame, text) {
  const { type, timestamp: _, request_id, job_id: __, attempt, seq, ...rest } = frame;
  const facts = JSON.stringify(rest).slice(1, -1).replaceAll('"', "");
  const arrow = element("span", { class: "arrow", "aria-hidden": "true" }, direction === "sent" ? "→" : "←");
  const head = element(
    "summary",
    {},
    element("time", {}, clock(Date.now() / 1_000)),
    arrow,
    element("span", { class: "unseen" }, direction),
    element("strong", {}, type ?? "request"),
    element(
      "span",
      { class: "rest" },
      shortened([facts, attempt && `${attempt}.${seq}`, request_id].filter(Boolean).join(" "), LINE_CHARACTERS),
    ),
  );
  const details = element(
    "details",
    { ontoggle: () => details.childElementCount === 1 && details.append(element("pre", {}, pretty(JSON.parse(text)))) },
    head,
  );
  return element("li", { dataset: { direction } }, details);
}
