// @ts-check
// The operator's view: what waits, what runs, what died, and who works.

/** Fills `root`; asks the node only while it is shown. */
export class OperatorView {
  /** @param {HTMLElement} root @param {import("../api.js").Api} api @param {{ canWrite: boolean }} options */
  constructor(root, api, { canWrite }) {
    this.root = root;
    this.api = api;
    this.canWrite = canWrite;
  }

  show() {}

  hide() {}
}
