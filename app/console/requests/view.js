// @ts-check
// The user's view: call actions and watch what becomes of them.

import { element, fill, setText } from "../dom.js";
import { Tabs } from "../tabs.js";
import { Caller } from "./caller.js";
import { Cards } from "./cards.js";
import { Frames } from "./frames.js";
import { Inbox } from "./inbox.js";
import { MyRequests } from "./mine.js";

/** Fills `root`; works with one session after another. */
export class RequestsView {
  #frames = new Frames();
  #cards = new Cards((card) => this.#ended(card));
  /** @type {Set<string>} requests that asked to be kept in the inbox */
  #durable = new Set();

  /** @param {HTMLElement} root @param {import("../api.js").Api} api */
  constructor(root, api) {
    this.api = api;
    this.caller = new Caller((call) => this.#cards.call(call));
    this.announcer = /** @type {HTMLElement} */ (document.getElementById("announcer"));
    this.mine = new MyRequests(api, (action, requestId) => this.#resume(action, requestId));
    const count = element("span", { class: "badge", hidden: true });
    this.inbox = new Inbox({
      onResume: (requestId) => this.#resumeOffer(requestId),
      onCount: (offers) => {
        count.hidden = offers === 0;
        setText(count, String(offers));
      },
    });
    const tabs = this.#tabs(count);
    fill(root, this.caller.node, this.#cards.node, this.#aside(tabs));
    new Tabs(tabs, (panel) => panel.id === "mine" && this.mine.refresh()).show(tabs.firstElementChild);
  }

  /**
   * From now on this session is used. Rejects with ApiError where the actions cannot be asked for.
   *
   * @param {any} session
   */
  async attach(session) {
    const { actions } = await this.api.get("/v1/actions");
    this.caller.use(actions);
    this.#cards.attach(session);
    this.inbox.attach(session);
  }

  /** @param {"sent" | "received"} direction @param {any} frame */
  onFrame(direction, frame) {
    this.#frames.add(direction, frame);
    if (direction === "sent" && frame.options?.durable) {
      this.#durable.add(frame.id);
    }
    if (frame.type === "welcome") {
      queueMicrotask(() => this.inbox.paint()); // the session reads it after us
    }
  }

  show() {}

  hide() {}

  /** @param {import("./card.js").Card} card */
  #ended(card) {
    setText(this.announcer, card.summary());
    if (this.#durable.delete(card.requestId)) {
      this.inbox.add(card.requestId, card.progress.status === "done" ? "completed" : card.progress.status);
    }
    if (!this.mine.node.closest("[hidden]")) {
      void this.mine.refresh();
    }
  }

  /** @param {string} action @param {string} requestId */
  #resume(action, requestId) {
    try {
      this.#cards.resume(action, requestId);
    } catch (error) {
      this.caller.fail(/** @type {Error} */ (error).message);
    }
  }

  /** The node offers an id alone. @param {string} requestId */
  async #resumeOffer(requestId) {
    try {
      const { action } = await this.api.get(`/v1/requests/${encodeURIComponent(requestId)}`);
      this.#resume(action, requestId);
    } catch (error) {
      this.inbox.fail(/** @type {Error} */ (error).message);
    }
  }

  /** @param {HTMLElement} count @returns {any} */
  #tabs(count) {
    const titles = { frames: ["Frames"], mine: ["My requests"], inbox: ["Inbox ", count] };
    const tabs = Object.entries(titles).map(([id, title]) =>
      element("button", { type: "button", role: "tab", id: `${id}-tab`, "aria-controls": id }, ...title),
    );
    return element("div", { class: "tabs", role: "tablist", ariaLabel: "Around requests" }, ...tabs);
  }

  /** @param {HTMLElement} tabs */
  #aside(tabs) {
    const contents = { frames: this.#frames.node, mine: this.mine.node, inbox: this.inbox.node };
    const panels = Object.entries(contents).map(([id, content]) =>
      element("div", { id, role: "tabpanel", "aria-labelledby": `${id}-tab` }, content),
    );
    return element("section", { class: "panel aside", ariaLabel: "Frames, my requests, inbox" }, tabs, ...panels);
  }
}
