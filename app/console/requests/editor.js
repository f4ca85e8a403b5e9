// @ts-check
// The payload of a call: a form where the schema allows one, and JSON always; each follows the other.

import { element, fill, setText, uniqueId } from "../dom.js";
import { formOf } from "./field.js";

/** Edits one payload at a time. */
export class PayloadEditor {
  /** @type {import("./fields.js").Field | undefined} undefined: only JSON will do */
  #form;
  /** Whether the JSON was changed last: then it is sent as it is, whatever the form thinks of it. */
  isFromJson = false;

  constructor() {
    const [textId, noteId] = [uniqueId("payload"), uniqueId("payload-note")];
    this.formPlace = element("div", { oninput: () => this.#formChanged(), onchange: () => this.#formChanged() });
    this.text = element("textarea", {
      id: textId,
      rows: 8,
      spellcheck: false,
      "aria-describedby": noteId,
      oninput: () => this.#textChanged(),
    });
    this.note = element("p", { id: noteId, class: "hint" });
    this.fault = element("p", { class: "fault", role: "alert" });
    const label = element("label", { htmlFor: textId, class: "unseen" }, "Payload as JSON");
    this.json = element(
      "details",
      { class: "json" },
      element("summary", {}, "Payload as JSON"),
      label,
      this.text,
      this.note,
    );
    this.node = element("div", { class: "stack" }, this.formPlace, this.json, this.fault);
  }

  /**
   * Starts with another schema.
   *
   * @param {import("./schema.js").Schema | null} schema
   * @param {string} [draft] JSON, as `draft` gave it
   */
  use(schema, draft) {
    this.#form = formOf(schema);
    this.isFromJson = this.#form === undefined;
    fill(this.formPlace, this.#form?.node);
    this.json.open = this.#form === undefined;
    this.text.value = this.#form ? pretty(this.#form.get()) : "{}";
    this.#say("");
    if (draft !== undefined && draft !== this.text.value) {
      this.text.value = draft;
      this.#textChanged();
    }
  }

  /** What stands there now; another `use` takes it. @returns {string} */
  get draft() {
    return this.text.value;
  }

  /** The payload; undefined where what stands there is no JSON, which is then said beside it. @returns {any} */
  read() {
    try {
      return this.#parsed();
    } catch {
      this.json.open = true;
      this.text.focus();
      return undefined;
    }
  }

  #formChanged() {
    this.isFromJson = false;
    this.text.value = pretty(this.#form?.get());
    this.#say("");
  }

  #textChanged() {
    this.isFromJson = true;
    try {
      const value = this.#parsed();
      this.#form?.set(value);
      const isWhole = this.#form === undefined || canonical(this.#form.get()) === canonical(value);
      setText(this.note, isWhole ? "" : "The form cannot show all of this. It is sent as it stands here.");
    } catch {
      setText(this.note, "");
    }
  }

  #parsed() {
    try {
      const value = JSON.parse(this.text.value || "{}");
      this.#say("");
      return value;
    } catch (error) {
      this.#say(`The payload is not JSON: ${/** @type {Error} */ (error).message}`);
      throw error;
    }
  }

  /** @param {string} fault */
  #say(fault) {
    setText(this.fault, fault);
    setText(this.note, "");
    this.text.ariaInvalid = String(fault !== "");
  }
}

/** @param {unknown} value */
function pretty(value) {
  return JSON.stringify(value, null, 2);
}

/** The same text for equal values, whatever the order of their names. @param {unknown} value @returns {string} */
function canonical(value) {
  return JSON.stringify(value, (_, each) => (isObject(each) ? Object.fromEntries(Object.entries(each).sort()) : each));
}

/** @param {any} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
