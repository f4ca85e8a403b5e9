// @ts-check
// Who uses the page: a token, kept in this tab only, and renewed where it is a development token.

import { Api } from "./api.js";

const KEY = "streamer.identity"; // in sessionStorage: forgotten with the tab
const RENEW_BEFORE_S = 120;

/** @typedef {{ user: string, tenant: string, permissions: string[] }} Person */
/**
 * @typedef {{ token?: string, expiresAt?: number, person?: Person }} Kept `person`: who a development token is made for
 */

/** Gives the token for every call; `getToken` may be handed around. */
export class Identity {
  /** @type {Kept} */
  #kept;
  /** @type {Promise<string | undefined> | undefined} one renewal at a time; undefined: none is on its way */
  #renewing;

  /** @param {Kept} kept */
  constructor(kept) {
    this.#kept = kept;
  }

  /** The one that this tab has used last; undefined where there is none. */
  static restored() {
    const text = sessionStorage.getItem(KEY);
    return text === null ? undefined : new Identity(JSON.parse(text));
  }

  /** Nobody in particular: authentication is off. */
  static anybody() {
    return new Identity({});
  }

  /** @param {string} token */
  static ofToken(token) {
    return new Identity({ token });
  }

  /** A development token for this person. Rejects with ApiError. @param {Person} person */
  static async ofPerson(person) {
    const identity = new Identity({ person });
    await identity.getToken();
    return identity;
  }

  /** Whether there is no token, as authentication is off. */
  get isAnybody() {
    return this.#kept.token === undefined && this.#kept.person === undefined;
  }

  /** What the client is given: a token that nobody can replace, or who makes one; undefined: it goes without. */
  get forClient() {
    return this.#kept.person === undefined ? this.#kept.token : this.getToken;
  }

  /** The node does not take the token: the next one is another, where that can be. */
  distrust() {
    this.#kept.expiresAt = 0;
  }

  /** From now on a reload of the page finds it. */
  keep() {
    if (this.#kept.token !== undefined) {
      sessionStorage.setItem(KEY, JSON.stringify(this.#kept));
    }
  }

  /** A reload of the page finds nobody. */
  static forget() {
    sessionStorage.removeItem(KEY);
  }

  /** The token; a development token that is about to expire is replaced first. Rejects with ApiError. */
  getToken = async () => {
    const { token, expiresAt = 0, person } = this.#kept;
    if (person === undefined || (token !== undefined && expiresAt - Date.now() / 1_000 > RENEW_BEFORE_S)) {
      return token;
    }
    this.#renewing ??= this.#renew(person).finally(() => (this.#renewing = undefined));
    return this.#renewing;
  };

  /** @param {Person} person */
  async #renew(person) {
    const { token, expires_at } = await new Api(() => undefined).post("/v1/dev/tokens", person);
    const isKept = sessionStorage.getItem(KEY) !== null;
    this.#kept = { token, expiresAt: expires_at, person };
    if (isKept) {
      this.keep();
    }
    return /** @type {string} */ (token);
  }
}
