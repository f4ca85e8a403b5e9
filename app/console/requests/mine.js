// @ts-check
// The caller's requests as the server has them, page by page.

import { badge, button, element, fill, setText, uniqueId } from "../dom.js";
import { moment } from "../format.js";

const PAGE = 20;
const STATUSES = ["PENDING", "PROCESSING", "RETRYING", "COMPLETED", "FAILED", "CANCELLED"];
const TONES = /** @type {Record<string, string>} */ ({
  PROCESSING: "live",
  RETRYING: "warn",
  COMPLETED: "good",
  FAILED: "bad",
  CANCELLED: "warn",
});

/** Lists requests, the newest first; asks only when it is told to. */
export class MyRequests {
  /** @type {string | null} where the next page starts; null: there is none */
  #cursor = null;

  /** @param {import("../api.js").Api} api @param {(action: string, requestId: string) => void} onResume */
  constructor(api, onResume) {
    this.api = api;
    this.onResume = onResume;
    const id = uniqueId("status");
    this.status = element("select", { id, onchange: () => this.refresh() });
    fill(
      this.status,
      element("option", { value: "" }, "any status"),
      ...STATUSES.map((value) => element("option", { value }, value.toLowerCase())),
    );
    this.list = element("ol", { class: "plain rows" });
    this.empty = element("p", { class: "empty", hidden: true }, "There are none.");
    this.more = button("More", () => this.#append(), { class: "quiet", hidden: true });
    this.fault = element("p", { class: "fault", role: "alert" });
    const label = element("label", { htmlFor: id, class: "unseen" }, "Status");
    const bar = element(
      "div",
      { class: "filters" },
      label,
      this.status,
      button("Refresh", () => this.refresh(), { class: "quiet" }),
    );
    this.node = element(
      "div",
      { class: "stack" },
      bar,
      this.fault,
      this.list,
      this.empty,
      element("div", {}, this.more),
    );
  }

  /** Starts again with the newest. */
  async refresh() {
    this.#cursor = null;
    await this.#ask((rows) => fill(this.list, ...rows));
  }

  async #append() {
    await this.#ask((rows) => this.list.append(...rows));
  }

  /** @param {(rows: HTMLElement[]) => void} show */
  async #ask(show) {
    const query = new URLSearchParams({ limit: String(PAGE) });
    for (const [name, value] of [
      ["status", this.status.value],
      ["cursor", this.#cursor],
    ]) {
      if (value) {
        query.set(/** @type {string} */ (name), value);
      }
    }
    try {
      const { requests, cursor } = await this.api.get(`/v1/requests?${query}`);
      show(requests.map((/** @type {any} */ request) => this.#row(request)));
      this.#cursor = cursor;
      setText(this.fault, "");
    } catch (error) {
      setText(this.fault, /** @type {Error} */ (error).message);
    }
    this.more.hidden = this.#cursor === null;
    this.empty.hidden = this.list.childElementCount > 0;
  }

  /** @param {any} request */
  #row({ request_id, action, status, attempt, percentage, created_at }) {
    const facts = [
      moment(created_at),
      attempt > 1 && `attempt ${attempt}`,
      status === "PROCESSING" && `${Math.round(percentage)} %`,
    ];
    return element(
      "li",
      {},
      element(
        "div",
        { class: "title" },
        element("strong", {}, action),
        badge(status.toLowerCase(), TONES[status]),
        this.#resume(action, request_id),
      ),
      element("p", { class: "hint" }, facts.filter(Boolean).join(" · ")),
      element("code", { class: "id" }, request_id),
    );
  }

  /** @param {string} action @param {string} requestId */
  #resume(action, requestId) {
    return button("Resume", () => this.onResume(action, requestId), {
      class: "quiet end",
      ariaLabel: `Resume ${action} ${requestId}`,
    });
  }
}
