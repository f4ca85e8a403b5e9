// @ts-check
// Jobs of one standing at a time, page by page.

import { button, element, fill, setText } from "../dom.js";
import { Standings } from "./standings.js";

const PAGE = 50;

/** @typedef {import("./table.js").Table} Table */

/** `refresh` asks for the page that is shown once more. */
export class JobList {
  /** @type {(string | null)[]} where each page up to this one starts; null: at the beginning */
  #starts = [null];
  /** @type {string | null} where the next page starts; null: there is none */
  #next = null;

  /**
   * @param {import("../api.js").Api} api
   * @param {{ title: string, standings: readonly (readonly [string, string])[], onChange: () => void }} options `onChange`: another page is wanted
   */
  constructor(api, { title, standings, onChange }) {
    this.api = api;
    this.onChange = onChange;
    this.standings = new Standings(standings, () => this.restart());
    this.standings.node.hidden = standings.length === 1;
    this.said = element("p", { class: "hint", role: "status" });
    this.fault = element("p", { class: "fault", role: "alert" });
    this.place = element("div");
    this.further = element("p", { class: "empty", hidden: true }, "Nothing found so far; the next page looks further.");
    this.earlier = button("Previous page", () => this.#goTo(this.#starts.slice(0, -1)), { class: "quiet" });
    this.later = button("Next page", () => this.#goTo([...this.#starts, this.#next]), { class: "quiet" });
    this.page = element("span", { class: "hint" });
    this.pages = element("div", { class: "row", role: "group", ariaLabel: `Pages of ${title}`, hidden: true }, this.earlier, this.page, this.later);
    const head = element("div", { class: "title" }, element("h2", {}, title), this.standings.node);
    this.node = element("section", { class: "panel stack", ariaLabel: title, tabIndex: -1 }, head, this.fault, this.said, this.place, this.further, this.pages);
  }

  /** What `refresh` fills, by standing. @param {Record<string, Table>} tables */
  use(tables) {
    this.tables = tables;
  }

  /** The first page is wanted, of other jobs. */
  restart() {
    this.say("");
    this.#goTo([null]);
  }

  /** @param {string} text what was done */
  say(text) {
    setText(this.said, text);
    setText(this.fault, "");
  }

  /** @param {string} text what went wrong */
  fail(text) {
    setText(this.said, "");
    setText(this.fault, text);
  }

  /** Rejects with ApiError. What comes when something else is wanted already is not shown. @param {() => URLSearchParams} filtered */
  async refresh(filtered) {
    const [starts, standing, query] = [this.#starts, this.standings.chosen, filtered()];
    const asked = query.toString();
    query.set("status", standing);
    query.set("limit", String(PAGE));
    const start = starts.at(-1);
    if (start) {
      query.set("cursor", start);
    }
    const page = await this.#ask(query);
    if (page && starts === this.#starts && asked === filtered().toString()) {
      this.#show(standing, page.jobs, page.cursor);
    }
  }

  /** @param {URLSearchParams} query @returns {Promise<any>} undefined where the node refused the filters, which is said */
  async #ask(query) {
    try {
      return await this.api.get(`/v1/admin/jobs?${query}`);
    } catch (error) {
      const { status, message } = /** @type {import("../api.js").ApiError} */ (error);
      if (status !== 400) {
        throw error;
      }
      this.fail(message);
      return undefined;
    }
  }

  /** @param {string} standing @param {any[]} jobs @param {string | null} next */
  #show(standing, jobs, next) {
    const table = /** @type {Table} */ (this.tables?.[standing]);
    if (this.place.firstElementChild !== table.node) {
      fill(this.place, table.node);
    }
    table.show(jobs);
    this.further.hidden = jobs.length > 0 || next === null;
    table.empty.hidden ||= !this.further.hidden;
    this.#next = next;
    this.#paintPages();
  }

  /** @param {(string | null)[]} starts */
  #goTo(starts) {
    this.#starts = starts;
    this.#next = null;
    this.onChange();
  }

  #paintPages() {
    const at = this.#starts.length;
    this.pages.hidden = at === 1 && this.#next === null;
    this.earlier.disabled = at === 1;
    this.later.disabled = this.#next === null;
    setText(this.page, `Page ${at}`);
  }
}
