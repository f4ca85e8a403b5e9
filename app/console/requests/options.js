// @ts-check
// What a request may ask for besides its action and its payload.

import { element, uniqueId } from "../dom.js";

/** The options of a call, folded away. */
export class CallOptions {
  constructor() {
    this.id = element("input", {
      autocomplete: "off",
      spellcheck: false,
      class: "mono",
      pattern: "[A-Za-z0-9._:~\\-]{1,128}",
      placeholder: "made by this page",
    });
    this.mode = select(["auto", "inline", "queued"]);
    this.priority = select(["normal", "high", "low"]);
    this.delay = element("input", { type: "number", min: 0, max: 86_400, step: "any", placeholder: "0" });
    this.expires = element("input", { type: "number", min: 0, step: "any", placeholder: "never" });
    this.durable = element("input", { type: "checkbox" });
    const rows = [
      labelled("Mode", this.mode),
      labelled("Priority", this.priority),
      labelled("Delay, seconds", this.delay),
      labelled("Expires in, seconds", this.expires),
      labelled("Request id", this.id),
      labelled("Durable: keep the outcome in the inbox", this.durable, true),
    ];
    this.node = element(
      "details",
      {},
      element("summary", {}, "Options"),
      element("div", { class: "options" }, ...rows),
    );
  }

  /** The id that the caller wants the request to have; undefined: any. @returns {string | undefined} */
  get requestId() {
    return this.id.value.trim() || undefined;
  }

  /** Only what differs from what the server does by itself. */
  read() {
    const options = {
      mode: this.mode.value === "auto" ? undefined : this.mode.value,
      priority: this.priority.value === "normal" ? undefined : this.priority.value,
      delay_seconds: numberOf(this.delay),
      expires_in: numberOf(this.expires),
      durable: this.durable.checked || undefined,
    };
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    return given.length > 0 ? Object.fromEntries(given) : undefined;
  }
}

/** @param {string[]} values */
function select(values) {
  return element("select", {}, ...values.map((value) => element("option", { value }, value)));
}

/** @param {string} text @param {HTMLElement} control @param {boolean} [isBeside] */
function labelled(text, control, isBeside = false) {
  control.id = uniqueId("option");
  const label = element("label", { htmlFor: control.id }, text);
  return isBeside
    ? element("div", { class: "row wide" }, control, label)
    : element("div", { class: "field" }, label, control);
}

/** @param {HTMLInputElement} input */
function numberOf(input) {
  return input.value === "" ? undefined : Number(input.value);
}
