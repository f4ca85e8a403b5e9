// @ts-check
// Calls to the node's HTTP API.

/** An answer that is no success: the `error` of the protocol, and the HTTP status (0: no answer came). */
export class ApiError extends Error {
  /** @param {string} code @param {string} message @param {number} status @param {unknown} [details] */
  constructor(code, message, status, details) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.status = status;
    this.details = details;
  }
}

/** The HTTP API of the node that served the page. Every method rejects with ApiError. */
export class Api {
  #getToken;

  /**
   * @param {() => string | undefined | Promise<string | undefined>} getToken asked for every call; undefined: no token
   */
  constructor(getToken) {
    this.#getToken = getToken;
  }

  /** @param {string} path as `/v1/me`, with its query @returns {Promise<any>} */
  get(path) {
    return this.#call("GET", path);
  }

  /** @param {string} path @param {unknown} [body] sent as JSON @returns {Promise<any>} */
  post(path, body) {
    return this.#call("POST", path, body);
  }

  /** @param {string} path @returns {Promise<any>} */
  delete(path) {
    return this.#call("DELETE", path);
  }

  /** @param {string} method @param {string} path @param {unknown} [body] */
  async #call(method, path, body) {
    /** @type {Record<string, string>} */
    const headers = {};
    const token = await this.#getToken();
    if (token) {
      headers["authorization"] = `Bearer ${token}`;
    }
    if (body !== undefined) {
      headers["content-type"] = "application/json";
    }
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const answer = await send(path, init);
    return read(answer);
  }
}

/** @param {string} path @param {RequestInit} init */
async function send(path, init) {
  try {
    return await fetch(new URL(path.replace(/^\//, ""), document.baseURI), init);
  } catch {
    throw new ApiError("SERVICE_UNAVAILABLE", "The node does not answer.", 0);
  }
}

/** @param {Response} answer */
async function read(answer) {
  const text = await answer.text().catch(() => "");
  const content = parsed(text);
  if (answer.ok) {
    return content;
  }
  const error = content?.error;
  const told = typeof error === "object" && error !== null ? error : { code: content?.code, message: error };
  const code = told.code ?? "INTERNAL_ERROR";
  throw new ApiError(code, told.message ?? `The node answered ${answer.status}.`, answer.status, told.details);
}

/** @param {string} text @returns {any} */
function parsed(text) {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
