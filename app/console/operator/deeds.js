// @ts-check
// What an operator may do to a job.

import { confirm } from "./confirm.js";

/** Asks first where it cannot be taken back; says in the job's list what became of it. */
export class Deeds {
  /** @param {import("../api.js").Api} api @param {() => void} onDone jobs may be others now */
  constructor(api, onDone) {
    this.api = api;
    this.onDone = onDone;
  }

  /** @param {any} job that has no outcome @param {import("./joblist.js").JobList} list */
  async cancel(job, list) {
    const text = `${job.action} of ${job.user} (${job.tenant}) ends as cancelled. What it has done so far stays done.`;
    if (await confirm({ title: "Cancel this job?", text, yes: "Cancel the job", no: "Let it run" })) {
      await this.#do(job, list, async () => {
        const { status } = await this.api.post(`${pathOf(job)}/cancel`);
        return `${job.action} ${job.job_id}: ${status.toLowerCase()}.`;
      });
    }
  }

  /** Needs no question: a dead letter is redriven once, however often this is asked. @param {any} job @param {import("./joblist.js").JobList} list */
  redrive(job, list) {
    return this.#do(job, list, async () => `Redriven as ${(await this.api.post(`${pathOf(job)}/redrive`)).job_id}.`);
  }

  /** @param {any} job a dead letter @param {import("./joblist.js").JobList} list */
  async purge(job, list) {
    const text = `${job.action} of ${job.user} (${job.tenant}) is deleted with its payload, and cannot be redriven any more.`;
    if (await confirm({ title: "Purge this dead letter?", text, yes: "Purge" })) {
      await this.#do(job, list, async () => {
        await this.api.delete(pathOf(job));
        return `Dead letter ${job.job_id} is gone.`;
      });
    }
  }

  /** @param {any} job @param {import("./joblist.js").JobList} list @param {() => Promise<string>} deed resolves to what to say */
  async #do(job, list, deed) {
    try {
      list.say(await deed());
    } catch (error) {
      const { message, status } = /** @type {import("../api.js").ApiError} */ (error);
      const reason = status === 403 ? "Your token lacks the permission admin:write." : message;
      list.fail(`${job.action} ${job.job_id}: ${reason}`);
    }
    this.onDone();
  }
}

/** @param {any} job */
function pathOf({ job_id }) {
  return `/v1/admin/jobs/${encodeURIComponent(job_id)}`;
}
