// @ts-check
// The operator's view: what waits, what runs, what died, and who works.

import { element, fill, setText } from "../dom.js";
import { Charts } from "./charts.js";
import { Connections } from "./connections.js";
import { Fleet } from "./fleet.js";
import { Freshness } from "./freshness.js";
import { Jobs } from "./jobs.js";
import { Queues } from "./queues.js";
import { Refresher } from "./refresher.js";

const HISTORY_STEP_S = 15;

/** Fills `root`; asks the node only while it is shown. */
export class OperatorView {
  #hasHistory = true;

  /** @param {HTMLElement} root @param {import("../api.js").Api} api @param {{ canWrite: boolean }} options `canWrite`: whether to offer what changes jobs */
  constructor(root, api, { canWrite }) {
    this.api = api;
    this.refresher = new Refresher(() => this.#refresh());
    const refresh = () => this.refresher.now();
    this.freshness = new Freshness(refresh);
    const now = () => this.freshness.now;
    this.queues = new Queues((queue, status) => this.jobs.choose(queue, status));
    this.charts = new Charts();
    this.jobs = new Jobs(api, { now, canWrite, onChange: refresh });
    this.fleet = new Fleet();
    this.connections = new Connections(api, now);
    this.refusal = element("p", { class: "fault", role: "alert" });
    const parts = [this.queues, this.charts, this.jobs, this.fleet, this.connections].map(({ node }) => node);
    this.content = element("div", { class: "parts", hidden: true }, ...parts);
    fill(root, this.freshness.node, this.refusal, this.content);
  }

  /** Begins to ask. */
  show() {
    this.freshness.show();
    this.refresher.show();
  }

  /** Asks no more. */
  hide() {
    this.freshness.hide();
    this.refresher.hide();
  }

  /** @returns {Promise<boolean>} whether to go on asking */
  async #refresh() {
    try {
      const overview = await this.api.get("/v1/admin/overview");
      this.#show(overview);
      await this.jobs.refresh();
      await this.#refreshHistory(overview.at);
      return true;
    } catch (error) {
      return this.#failed(/** @type {import("../api.js").ApiError} */ (error));
    }
  }

  /** @param {any} overview */
  #show(overview) {
    this.freshness.answered(overview.at);
    setText(this.refusal, "");
    this.content.hidden = false;
    this.queues.show(overview.queues);
    this.jobs.offer(overview.queues);
    this.fleet.show(overview);
    this.connections.offer(new Set(overview.queues.flatMap((/** @type {any} */ { tenants }) => tenants.map((/** @type {any} */ { tenant }) => tenant))));
  }

  /** @param {number} at Unix seconds by the node's clock */
  async #refreshHistory(at) {
    if (this.#hasHistory && at - this.charts.newestAt >= HISTORY_STEP_S) {
      try {
        this.charts.show(await this.api.get("/v1/admin/history"));
      } catch (error) {
        if (/** @type {any} */ (error).status !== 404) {
          throw error;
        }
        this.#hasHistory = false; // a node that keeps none
        this.charts.node.hidden = true;
      }
    }
  }

  /** @param {import("../api.js").ApiError} error */
  #failed({ status, message }) {
    this.freshness.failed(status === 0 ? "The node does not answer." : `Not refreshed: ${message}`);
    if (status !== 403) {
      return true;
    }
    this.content.hidden = true;
    setText(this.refusal, "This view needs the permission admin:read, which your token lacks. Sign in with one that has it.");
    return false;
  }
}
