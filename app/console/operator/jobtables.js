// @ts-check
// How jobs are shown, by where they stand.

import { badge, button, element, fill, setText } from "../dom.js";
import { counted, pretty } from "../format.js";
import { Table, textColumn } from "./table.js";
import { paintTime } from "./times.js";

/**
 * A table for each standing.
 *
 * @param {import("./joblist.js").JobList} list where they are shown
 * @param {() => number} now Unix seconds by the node's clock
 * @param {import("./deeds.js").Deeds | null} deeds null: the operator may only look
 * @returns {Record<string, Table>}
 */
export function jobTables(list, now, deeds) {
  const time = (/** @type {string} */ title, /** @type {string} */ field) => ({
    title,
    paint: (/** @type {HTMLElement} */ cell, /** @type {any} */ job) => paintTime(cell, job[field], now()),
  });
  const cancel = deeds ? [deedColumn([["Cancel", (job) => deeds.cancel(job, list)]])] : [];
  const mend = deeds ? [deedColumn([["Redrive", (job) => deeds.redrive(job, list)], ["Purge", (job) => deeds.purge(job, list)]])] : [];
  const table = (/** @type {string} */ label, /** @type {any[]} */ columns, /** @type {string} */ empty) =>
    new Table({ label, columns: [JOB, OWNER, ...columns], keyOf: ({ job_id }) => job_id, empty });
  return {
    running: table("Running jobs", [PROGRESS, WORKER, ATTEMPT, time("Started", "started_at"), ...cancel], "Nothing runs."),
    waiting: table("Waiting jobs", [ATTEMPT, time("Created", "created_at"), ...cancel], "Nothing waits."),
    delayed: table("Delayed jobs", [ATTEMPT, time("Ready", "ready_at"), time("Created", "created_at"), ...cancel], "Nothing is delayed."),
    dead: table("Dead letters", [ERROR, ATTEMPT, time("Failed", "ended_at"), ...mend], "There are no dead letters."),
  };
}

const JOB = {
  title: "Job",
  isHeader: true,
  make: (/** @type {HTMLElement} */ cell, /** @type {() => any} */ item) =>
    fill(cell, element("span", {}, item().action), element("code", { class: "id" }, item().job_id)),
};
const OWNER = textColumn("Tenant · user", ({ tenant, user }) => `${tenant} · ${user}`);
const WORKER = textColumn("Worker", ({ worker }) => worker ?? "–");
const ATTEMPT = textColumn("Attempt", ({ attempt }) => String(attempt), { isNumeric: true });

const PROGRESS = {
  title: "Progress",
  make: (/** @type {HTMLElement} */ cell, /** @type {() => any} */ item) => {
    const bar = element("progress", { max: 100, ariaLabel: `Progress of ${item().action} ${item().job_id}` });
    const words = element("p", { class: "line" }, element("span", { class: "message" }), element("span", { class: "percentage" }));
    cell.classList.add("progress-cell");
    fill(cell, bar, words);
  },
  paint: (/** @type {any} */ cell, /** @type {any} */ { percentage, message, chunks }) => {
    cell.querySelector("progress").value = percentage;
    setText(cell.querySelector(".message"), [message, chunks > 0 && counted(chunks, "chunk")].filter(Boolean).join(" · "));
    setText(cell.querySelector(".percentage"), `${Math.round(percentage)} %`);
  },
};

const ERROR = {
  title: "Error",
  make: (/** @type {HTMLElement} */ cell, /** @type {() => any} */ item) => {
    const error = item().error ?? { code: "UNKNOWN", message: "" };
    const more = error.details && element("details", {}, element("summary", {}, "Details"), element("pre", {}, pretty(error.details)));
    cell.classList.add("error-cell");
    fill(cell, badge(error.code, "bad"), " ", element("span", { class: "message" }, error.message), more, element("p", { class: "hint redriven" }));
  },
  paint: (/** @type {any} */ cell, /** @type {any} */ { redriven_as }) =>
    setText(cell.querySelector(".redriven"), redriven_as ? `redriven as ${redriven_as}` : ""),
};

/** @param {[string, (job: any) => Promise<void>][]} deeds */
function deedColumn(deeds) {
  return {
    title: "Actions",
    make: (/** @type {HTMLElement} */ cell, /** @type {() => any} */ item) =>
      fill(cell, element("div", { class: "deeds" }, ...deeds.map(([name, deed]) => deedButton(name, deed, item)))),
    paint: (/** @type {HTMLElement} */ cell, /** @type {any} */ job) => hideWhatIsDone(cell, job),
  };
}

/** @param {string} name @param {(job: any) => Promise<void>} deed @param {() => any} item */
function deedButton(name, deed, item) {
  const { action, job_id } = item();
  const made = button(name, () => pressed(), {
    class: name === "Redrive" ? "quiet" : "quiet danger",
    dataset: { deed: name },
    ariaLabel: `${name} ${action} ${job_id}`,
  });
  const pressed = async () => {
    if (made.getAttribute("aria-disabled") === "true") {
      return; // not `disabled`: that would take the focus away
    }
    made.setAttribute("aria-disabled", "true");
    await deed(item());
    made.removeAttribute("aria-disabled");
  };
  return made;
}

/** A letter is redriven once. @param {HTMLElement} cell @param {any} job */
function hideWhatIsDone(cell, { redriven_as }) {
  const redrive = /** @type {HTMLElement | null} */ (cell.querySelector('[data-deed="Redrive"]'));
  if (redrive) {
    redrive.hidden = Boolean(redriven_as);
  }
}
