// @ts-check
// The user's view: call actions and watch what becomes of them.

/** Fills `root`; works with one session after another. */
export class RequestsView {
  /** @param {HTMLElement} root @param {import("../api.js").Api} api */
  constructor(root, api) {
    this.root = root;
    this.api = api;
  }

  /** @param {any} session from now on in use */
  async attach(session) {
    this.session = session;
  }

  /** @param {"sent" | "received"} direction @param {any} frame */
  onFrame(direction, frame) {}

  show() {}

  hide() {}
}
