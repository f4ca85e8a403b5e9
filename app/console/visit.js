// @ts-check
// One person's session with the node, and the view that works with it.

import { Api } from "./api.js";
import { connect } from "./client/index.js";
import { RequestsView } from "./requests/view.js";

/** @typedef {import("./identity.js").Identity} Identity */
/** @typedef {import("./indicator.js").State} State */

const LOST = 1006; // no close frame
const OF_TOKENS = new Set([4401, 4500]); // close codes: expired, rejected or taken back

/** One person's time on the page, from signing in to signing out (which loads the page anew). */
export class Visit {
  /** @type {any} the client's session; undefined before the first connection */
  session;

  /**
   * @param {Identity} identity
   * @param {{ root: HTMLElement, onState: (state: State) => void }} options
   *   `root`: where the view of requests is; `onState`: is told where the session is
   */
  constructor(identity, { root, onState }) {
    this.identity = identity;
    this.onState = onState;
    this.api = new Api(identity.getToken);
    this.requests = new RequestsView(root, this.api);
  }

  /** Rejects where the node does not know the person, or does not connect. */
  async start() {
    const me = await this.api.get("/v1/me");
    await this.connect();
    return me;
  }

  /** Opens a session, and gives it to the view of requests. */
  async connect() {
    const onFrame = (/** @type {any} */ direction, /** @type {any} */ frame) => this.requests.onFrame(direction, frame);
    const onState = (/** @type {State} */ state) => this.#tell(state);
    const token = this.identity.forClient;
    const options = { onFrame, onState, ...(token && { token: /** @type {any} */ (token) }) };
    this.session = await connect(new URL("ws", document.baseURI), options);
    try {
      await this.requests.attach(this.session);
    } catch (error) {
      await this.session.close();
      throw error;
    }
  }

  /** After an end for good: a new session, which takes over what is still open. */
  async reconnect() {
    try {
      await this.connect();
    } catch (error) {
      const { closeCode = LOST } = /** @type {{ closeCode?: number }} */ (error);
      this.onState({ name: "ended", code: closeCode, reason: /** @type {Error} */ (error).message });
    }
  }

  /** @param {State} state */
  #tell(state) {
    if (state.code !== undefined && OF_TOKENS.has(state.code)) {
      this.identity.distrust();
    }
    this.onState(state);
  }
}
