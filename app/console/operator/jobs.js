// @ts-check
// The jobs of a queue: those that have work ahead, and the dead letters.

import { element } from "../dom.js";
import { Deeds } from "./deeds.js";
import { Filters } from "./filters.js";
import { JobList } from "./joblist.js";
import { jobTables } from "./jobtables.js";

/** Two lists behind the same filters. */
export class Jobs {
  /** @param {import("../api.js").Api} api @param {{ now: () => number, canWrite: boolean, onChange: () => void }} options `onChange`: other jobs are wanted, or some changed */
  constructor(api, { now, canWrite, onChange }) {
    this.filters = new Filters(() => this.#restart());
    this.open = new JobList(api, { title: "Jobs", standings: [["running", "Running"], ["waiting", "Waiting"], ["delayed", "Delayed"]], onChange });
    this.dead = new JobList(api, { title: "Dead letters", standings: [["dead", "Dead"]], onChange });
    const deeds = canWrite ? new Deeds(api, onChange) : null;
    for (const list of [this.open, this.dead]) {
      list.use(jobTables(list, now, deeds));
    }
    this.node = element("div", { class: "stack" }, this.filters.node, this.open.node, this.dead.node);
    this.onChange = onChange;
  }

  /** Offers these queues. @param {any[]} queues as in the overview */
  offer(queues) {
    this.filters.offer(queues.map(({ queue }) => queue));
    this.open.standings.count(queues.find(({ queue }) => queue === this.filters.queue.value));
  }

  /** Shows the jobs of a queue that stand there. @param {string} queue @param {string} standing */
  choose(queue, standing) {
    const list = standing === "dead" ? this.dead : this.open;
    list.standings.choose(standing);
    this.filters.choose(queue);
    list.node.focus();
  }

  /** Asks for both pages that are shown, one after the other. Rejects with ApiError. */
  async refresh() {
    for (const list of [this.open, this.dead]) {
      await list.refresh(() => this.filters.query);
    }
  }

  #restart() {
    this.open.restart();
    this.dead.restart();
  }
}
