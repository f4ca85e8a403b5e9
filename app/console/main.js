// @ts-check
// The page: who uses it, one session with the node, and the two views.

import { Api, ApiError } from "./api.js";
import { connect } from "./client/index.js";
import { setText } from "./dom.js";
import { Identity } from "./identity.js";
import { Indicator } from "./indicator.js";
import { OperatorView } from "./operator/view.js";
import { RequestsView } from "./requests/view.js";
import { SignIn } from "./signin.js";
import { Tabs } from "./tabs.js";

/** @typedef {import("./identity.js").Person} Person */

const LOST = 1006; // no close frame
const OF_TOKENS = new Set([4401, 4500]); // close codes: expired, rejected or taken back

/** @param {string} id @returns {any} */
const get = (id) => document.getElementById(id);
const indicator = new Indicator({
  root: get("connection"),
  text: get("connection-state"),
  countdown: get("connection-countdown"),
  again: get("reconnect"),
});

/** One person's time on the page, from signing in to signing out (which loads the page anew). */
class Visit {
  /** @type {any} the client's session; undefined before the first connection */
  session;

  /** @param {Identity} identity @param {boolean} isOpen whether authentication is off */
  constructor(identity, isOpen) {
    this.identity = identity;
    this.isOpen = isOpen;
    this.api = new Api(identity.getToken);
    this.requests = new RequestsView(get("requests"), this.api);
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
    const onState = (/** @type {any} */ state) => this.#show(state);
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
      indicator.show({ name: "ended", code: closeCode, reason: messageOf(error) });
    }
  }

  /** @param {{ name: string, code?: number }} state */
  #show(state) {
    if (state.code !== undefined && OF_TOKENS.has(state.code)) {
      this.identity.distrust();
    }
    indicator.show(state);
  }
}

/** Shows the views that the person may see. @param {Visit} visit @param {Person} me */
function open(visit, me) {
  const may = (/** @type {string} */ permission) => me.permissions.some((each) => each === permission || each === "*");
  const operator = new OperatorView(get("operator"), visit.api, { canWrite: may("admin:write") });
  /** @type {Record<string, { show(): void, hide(): void }>} */
  const views = { requests: visit.requests, operator };
  const tabs = new Tabs(get("views"), (panel, previous) => {
    (previous && views[previous.id])?.hide();
    views[panel.id]?.show();
    history.replaceState(null, "", `#${panel.id}`);
  });
  get("operator-tab").hidden = !may("admin:read");
  get("views").hidden = false;
  const wished = location.hash === "#operator" && may("admin:read") ? "operator-tab" : "requests-tab";
  tabs.show(get(wished));
  get("reconnect").addEventListener("click", () => visit.reconnect());
  showAccount(visit, me);
}

/** @param {Visit} visit @param {Person} me */
function showAccount(visit, me) {
  setText(get("account-name"), `${me.user} · ${me.tenant}`);
  get("account").hidden = false;
  get("sign-out").hidden = visit.isOpen;
  get("sign-out").addEventListener("click", async () => {
    Identity.forget();
    await visit.session.close();
    location.reload();
  });
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {SignIn} signIn */
async function enterAsAnybody(signIn) {
  const visit = new Visit(Identity.anybody(), true);
  try {
    open(visit, await visit.start());
    signIn.hide();
  } catch (error) {
    indicator.clear();
    signIn.showFailure(messageOf(error), () => enterAsAnybody(signIn));
  }
}

/** @param {SignIn} signIn @param {Identity} identity */
async function enter(signIn, identity) {
  const visit = new Visit(identity, false);
  try {
    const me = await visit.start();
    identity.keep();
    signIn.hide();
    open(visit, me);
  } catch (error) {
    indicator.clear();
    throw error;
  }
}

/** @param {SignIn} signIn @param {Identity} identity of an earlier life of this page */
async function enterAgain(signIn, identity) {
  try {
    await enter(signIn, identity);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      Identity.forget();
    }
    signIn.show(messageOf(error));
  }
}

async function start() {
  const { auth, dev_tokens } = await new Api(() => undefined).get("/console.json");
  /** @type {SignIn} */
  const signIn = new SignIn(get("sign-in"), {
    makesTokens: dev_tokens,
    enter: async (identity) => {
      await enter(signIn, identity);
      /** @type {HTMLElement} */ (document.querySelector('#views [aria-selected="true"]')).focus(); // the form had it
    },
  });
  const restored = Identity.restored();
  if (auth === "off") {
    await enterAsAnybody(signIn);
  } else if (restored) {
    await enterAgain(signIn, restored);
  } else {
    signIn.show();
  }
}

await start();
