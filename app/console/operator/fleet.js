// @ts-check
// The processes that do the work: nodes hold connections, workers run jobs.

import { badge, element, fill, setText } from "../dom.js";
import { counted, number } from "../format.js";
import { Table, textColumn } from "./table.js";
import { age } from "./times.js";

// Of the time after which others take a process for dead (STREAMER_SESSION_DEAD_S): at least three beats fit into it.
const LATE_AFTER = 0.6;

/** Two tables, with how long ago each process was heard. */
export class Fleet {
  constructor() {
    this.nodes = nodeTable();
    this.workers = workerTable();
    this.nodeTitle = element("h2");
    this.workerTitle = element("h2");
    const nodes = element("section", { class: "panel stack", ariaLabel: "Nodes" }, this.nodeTitle, this.nodes.node);
    const workers = element("section", { class: "panel stack", ariaLabel: "Workers" }, this.workerTitle, this.workers.node);
    this.node = element("div", { class: "fleet" }, nodes, workers);
  }

  /** @param {any} overview */
  show({ nodes, workers, dead_after_s }) {
    const judgedBy = (/** @type {any} */ process) => ({ ...process, dead_after_s });
    const connections = nodes.reduce((/** @type {number} */ sum, /** @type {any} */ node) => sum + node.connections, 0);
    setText(this.nodeTitle, `Nodes: ${number(nodes.length)}, with ${counted(connections, "connection")}`);
    setText(this.workerTitle, `Workers: ${number(workers.length)}`);
    this.nodes.show(nodes.map(judgedBy));
    this.workers.show(workers.map(judgedBy));
  }
}

/** How a beat's age is judged: a word and a tone. @param {number} seconds @param {number} deadAfterS @returns {[string, string]} */
function judged(seconds, deadAfterS) {
  if (seconds >= deadAfterS) {
    return ["silent", "bad"];
  }
  return seconds >= LATE_AFTER * deadAfterS ? ["late", "warn"] : ["alive", "good"];
}

/** @param {HTMLElement} cell @param {any} process */
function paintBeat(cell, { beat_age_s, draining, dead_after_s }) {
  const [word, tone] = judged(beat_age_s, dead_after_s);
  if (cell.dataset["state"] !== `${word} ${draining}`) {
    cell.dataset["state"] = `${word} ${draining}`;
    fill(cell, badge(word, tone), draining && " ", draining && badge("draining", "warn"), " ", element("span", { class: "beat" }));
  }
  setText(/** @type {Element} */ (cell.querySelector(".beat")), `${age(beat_age_s)} ago`);
}

/** @param {any} process */
const versionOf = ({ version }) => version || "–";

function nodeTable() {
  return new Table({
    label: "Nodes",
    keyOf: ({ node_id }) => node_id,
    empty: "No node has said that it is there.",
    columns: [
      textColumn("Node", ({ node_id }) => node_id, { isHeader: true }),
      { title: "Beat", paint: paintBeat },
      textColumn("Connections", ({ connections }) => number(connections), { isNumeric: true }),
      textColumn("Endpoint", ({ endpoint }) => endpoint || "–"),
      textColumn("Version", versionOf),
    ],
  });
}

function workerTable() {
  return new Table({
    label: "Workers",
    keyOf: ({ worker_id }) => worker_id,
    empty: "No worker: what is queued waits until there is one.",
    columns: [
      textColumn("Worker", ({ worker_id }) => worker_id, { isHeader: true }),
      { title: "Beat", paint: paintBeat },
      textColumn("Busy slots", ({ running, slots }) => `${number(running)} of ${number(slots)}`, { isNumeric: true }),
      textColumn("Queues", ({ queues }) => queues.join(", ")),
      textColumn("Endpoint", ({ endpoint }) => endpoint || "–"),
      textColumn("Version", versionOf),
    ],
  });
}
