// @ts-check
// The jobs of a queue, page by page, and what an operator may do to them.

import { button, element, fill, setText } from "../dom.js";
import { confirm } from "./confirm.js";
import { Filters } from "./filters.js";
import { jobTables } from "./jobtables.js";

const PAGE = 50;

/** Lists the jobs that the filters ask for; `refresh` asks for the page that is shown once more. */
export class Jobs {
  /** @type {(string | null)[]} where each page up to this one starts; null: at the beginning */
  #starts = [null];
  /** @type {string | null} */
  #next = null;

  /** @param {import("../api.js").Api} api @param {{ now: () => number, canWrite: boolean, onChange: () => void }} options `onChange`: other jobs are wanted, or some changed */
  constructor(api, { now, canWrite, onChange }) {
    this.api = api;
    this.onChange = onChange;
    this.filters = new Filters(() => this.#goTo([null]));
    this.tables = jobTables(now, canWrite ? this.#deeds() : null);
    this.place = element("div");
    this.more = element("p", { class: "empty", hidden: true }, "Nothing found so far; the next page looks further.");
    this.said = element("p", { class: "hint", role: "status" });
    this.fault = element("p", { class: "fault", role: "alert" });
    this.earlier = button("Previous page", () => this.#goTo(this.#starts.slice(0, -1)), { class: "quiet" });
    this.later = button("Next page", () => this.#goTo([...this.#starts, this.#next]), { class: "quiet" });
    this.page = element("span", { class: "hint" });
    this.pages = element("div", { class: "row", role: "group", ariaLabel: "Pages" }, this.earlier, this.page, this.later);
    this.node = element("section", { class: "panel stack", ariaLabel: "Jobs" }, element("h2", {}, "Jobs"), this.filters.node, this.fault, this.said, this.place, this.more, this.pages);
    this.#paintPages();
  }

  /** Rejects with ApiError. What comes when something else is wanted already is not shown. */
  async refresh() {
    const [starts, { query, status }] = [this.#starts, this.filters];
    const asked = query.toString();
    query.set("limit", String(PAGE));
    const start = starts.at(-1);
    if (start) {
      query.set("cursor", start);
    }
    const page = await this.#ask(query);
    if (page && starts === this.#starts && asked === this.filters.query.toString()) {
      this.#show(status, page.jobs, page.cursor);
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
      setText(this.fault, message);
      return undefined;
    }
  }

  /** @param {string} status @param {any[]} jobs @param {string | null} cursor */
  #show(status, jobs, cursor) {
    const table = /** @type {import("./table.js").Table} */ (this.tables[status]);
    if (this.place.firstElementChild !== table.node) {
      fill(this.place, table.node);
    }
    table.show(jobs);
    this.more.hidden = jobs.length > 0 || cursor === null;
    table.empty.hidden ||= !this.more.hidden;
    this.#next = cursor;
    this.#paintPages();
  }

  /** @param {(string | null)[]} starts */
  #goTo(starts) {
    this.#starts = starts;
    this.#next = null;
    setText(this.fault, "");
    setText(this.said, "");
    this.onChange();
  }

  #paintPages() {
    const at = this.#starts.length;
    this.pages.hidden = at === 1 && this.#next === null;
    this.earlier.disabled = at === 1;
    this.later.disabled = this.#next === null;
    setText(this.page, `Page ${at}`);
  }

  #deeds() {
    return {
      cancel: async (/** @type {any} */ job) => {
        const text = `${job.action} of ${job.user} (${job.tenant}) ends as cancelled. What it has done so far stays done.`;
        if (await confirm({ title: "Cancel this job?", text, yes: "Cancel the job", no: "Let it run" })) {
          await this.#do(job, async () => `Job ${job.job_id}: ${(await this.#post(job, "cancel")).status.toLowerCase()}.`);
        }
      },
      redrive: (/** @type {any} */ job) => this.#do(job, async () => `Redriven as ${(await this.#post(job, "redrive")).job_id}.`),
      purge: async (/** @type {any} */ job) => {
        const text = `The dead letter ${job.job_id} (${job.action} of ${job.user}, ${job.tenant}) is deleted with its payload. It cannot be redriven then.`;
        if (await confirm({ title: "Purge this dead letter?", text, yes: "Purge" })) {
          await this.#do(job, async () => {
            await this.api.delete(`/v1/admin/jobs/${encodeURIComponent(job.job_id)}`);
            return `Dead letter ${job.job_id} is gone.`;
          });
        }
      },
    };
  }

  /** @param {any} job @param {string} deed */
  #post(job, deed) {
    return this.api.post(`/v1/admin/jobs/${encodeURIComponent(job.job_id)}/${deed}`);
  }

  /** @param {any} job @param {() => Promise<string>} deed resolves to what to say */
  async #do(job, deed) {
    try {
      setText(this.said, await deed());
      setText(this.fault, "");
    } catch (error) {
      const { message, status } = /** @type {import("../api.js").ApiError} */ (error);
      const reason = status === 403 ? "Your token lacks the permission admin:write." : message;
      setText(this.said, "");
      setText(this.fault, `${job.action} ${job.job_id}: ${reason}`);
    }
    this.onChange();
  }
}
