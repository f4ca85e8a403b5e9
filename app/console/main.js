// @ts-check
// The page: who uses it, and the two views.

import { Api, ApiError } from "./api.js";
import { setText } from "./dom.js";
import { Identity } from "./identity.js";
import { Indicator } from "./indicator.js";
import { OperatorView } from "./operator/view.js";
import { SignIn } from "./signin.js";
import { Tabs } from "./tabs.js";
import { Visit } from "./visit.js";

/** @typedef {import("./identity.js").Person} Person */

/** @param {string} id @returns {any} */
const get = (id) => document.getElementById(id);
const indicator = new Indicator({
  root: get("connection"),
  text: get("connection-state"),
  countdown: get("connection-countdown"),
  again: get("reconnect"),
});

/** @param {Identity} identity */
function visitOf(identity) {
  return new Visit(identity, { root: get("requests"), onState: (state) => indicator.show(state) });
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
  get("sign-out").hidden = visit.identity.isAnybody;
  get("sign-out").addEventListener("click", async () => {
    Identity.forget();
    await visit.session.close();
    location.reload();
  });
}

/** @param {SignIn} signIn */
async function enterAsAnybody(signIn) {
  const visit = visitOf(Identity.anybody());
  try {
    open(visit, await visit.start());
    signIn.hide();
  } catch (error) {
    indicator.clear();
    signIn.showFailure(/** @type {Error} */ (error).message, () => enterAsAnybody(signIn));
  }
}

/** @param {SignIn} signIn @param {Identity} identity */
async function enter(signIn, identity) {
  const visit = visitOf(identity);
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
    signIn.show(/** @type {Error} */ (error).message);
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
