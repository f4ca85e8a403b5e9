// @ts-check
// One value of a payload: an input whose native validation knows what the schema asks for.

import { element } from "../dom.js";
import { nothingOf } from "./schema.js";

/** @typedef {import("./schema.js").Shape} Shape */
/**
 * What every field can do: `get` gives its value, undefined where there is none; `set` shows a value (undefined: none).
 * An `input` event bubbles up from `node` when a person changes it.
 *
 * @typedef {{ node: HTMLElement, get(): any, set(value: any): void }} Field
 */

const TYPES = /** @type {Record<string, string>} */ ({
  email: "email",
  uri: "url",
  password: "password",
  date: "date",
  datetime: "datetime-local",
});

/** A field whose value one control holds. @implements {Field} */
class Single {
  /** @type {null | undefined} */
  nothing;

  /** @param {any} control @param {Shape} shape @param {boolean} isRequired */
  constructor(control, shape, isRequired) {
    this.node = control;
    this.shape = shape;
    this.nothing = nothingOf(shape, isRequired);
  }

  get() {
    return this.node.value === "" ? this.nothing : this.read(this.node.value);
  }

  /** @param {any} value */
  set(value) {
    this.node.value = value === undefined || value === null ? "" : this.write(value);
  }

  /** @param {string} text @returns {any} */
  read(text) {
    return text;
  }

  /** @param {any} value @returns {string} */
  write(value) {
    return typeof value === "string" ? value : "";
  }
}

class Text extends Single {
  /** @param {Shape} shape @param {boolean} isRequired */
  constructor(shape, isRequired) {
    const { format, minLength, maxLength, pattern } = shape.schema;
    const type = TYPES[shape.kind] ?? TYPES[format] ?? "text";
    const props = {
      type,
      minLength,
      maxLength,
      pattern: wholePattern(pattern),
      required: isRequired && !shape.isNullable,
    };
    super(element("input", { ...props, autocomplete: "off", spellcheck: false }), shape, isRequired);
  }
}

class DateTime extends Text {
  /** @param {Shape} shape @param {boolean} isRequired */
  constructor(shape, isRequired) {
    super(shape, isRequired);
    this.node.step = 1;
  }

  /** @param {string} text in the reader's time zone */
  read(text) {
    return new Date(text).toISOString();
  }

  /** @param {any} value */
  write(value) {
    const date = new Date(value);
    const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
    return Number.isNaN(local.getTime()) ? "" : local.toISOString().slice(0, 19);
  }
}

class Numeric extends Single {
  /** @param {Shape} shape @param {boolean} isRequired */
  constructor(shape, isRequired) {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = shape.schema;
    const isWhole = shape.kind === "integer";
    const inside = isWhole ? 1 : 0; // the open end of a range of integers is the closed end of another
    const props = {
      min: minimum ?? (exclusiveMinimum === undefined ? undefined : exclusiveMinimum + inside),
      max: maximum ?? (exclusiveMaximum === undefined ? undefined : exclusiveMaximum - inside),
      step: multipleOf ?? (isWhole ? 1 : "any"),
      required: isRequired && !shape.isNullable,
    };
    super(
      element("input", { type: "number", ...props, inputMode: isWhole ? "numeric" : "decimal" }),
      shape,
      isRequired,
    );
  }

  /** @param {string} text */
  read(text) {
    return Number(text);
  }

  /** @param {any} value */
  write(value) {
    return typeof value === "number" ? String(value) : "";
  }
}

/** One of a few values, which need not be strings. */
class Choice extends Single {
  /** @param {Shape} shape @param {boolean} isRequired @param {(value: any) => string} [label] */
  constructor(shape, isRequired, label = String) {
    const choices = shape.choices ?? [];
    const options = choices.map((choice, at) => element("option", { value: String(at) }, label(choice)));
    const nothing =
      isRequired && choices.length === 1 && !shape.isNullable ? null : element("option", { value: "" }, "—");
    super(element("select", { required: isRequired && !shape.isNullable }, nothing, ...options), shape, isRequired);
    this.choices = choices;
  }

  /** @param {string} at */
  read(at) {
    return this.choices[Number(at)];
  }

  /** @param {any} value */
  write(value) {
    const at = this.choices.indexOf(value);
    return at < 0 ? "" : String(at);
  }
}

/** A boolean that is always one or the other. */
class Switch extends Single {
  /** @param {Shape} shape @param {boolean} isRequired */
  constructor(shape, isRequired) {
    super(element("input", { type: "checkbox" }), shape, isRequired);
  }

  get() {
    return this.node.checked;
  }

  /** @param {any} value */
  set(value) {
    this.node.checked = value === true;
  }
}

/** What no other field can show. */
class Json extends Single {
  /** @param {Shape} shape @param {boolean} isRequired */
  constructor(shape, isRequired) {
    super(
      element("textarea", {
        rows: 3,
        spellcheck: false,
        required: isRequired && !shape.isNullable,
        placeholder: "JSON",
      }),
      shape,
      isRequired,
    );
    this.node.addEventListener("input", () => this.get()); // says whether it is JSON
  }

  get() {
    this.node.setCustomValidity("");
    return super.get();
  }

  /** @param {string} text */
  read(text) {
    try {
      return JSON.parse(text);
    } catch {
      this.node.setCustomValidity("This is not JSON.");
      return undefined;
    }
  }

  /** @param {any} value */
  write(value) {
    this.node.setCustomValidity("");
    return JSON.stringify(value, null, 2);
  }
}

/** A field for a shape that one control can hold. @param {Shape} shape @param {boolean} isRequired @returns {Field} */
export function single(shape, isRequired) {
  switch (shape.kind) {
    case "text":
    case "date":
      return new Text(shape, isRequired);
    case "datetime":
      return new DateTime(shape, isRequired);
    case "number":
    case "integer":
      return new Numeric(shape, isRequired);
    case "choice":
      return new Choice(shape, isRequired);
    case "boolean":
      return isSwitch(shape, isRequired)
        ? new Switch(shape, isRequired)
        : new Choice({ ...shape, choices: [true, false] }, isRequired);
    default:
      return new Json(shape, isRequired);
  }
}

/** @param {Shape} shape @param {boolean} isRequired */
function isSwitch({ schema, isNullable }, isRequired) {
  return !isNullable && (isRequired || "default" in schema);
}

/** A pattern of JSON Schema finds its match anywhere, one of HTML is the whole. @param {string | undefined} pattern */
function wholePattern(pattern) {
  if (pattern === undefined) {
    return undefined;
  }
  const anchored = `.*(?:${pattern}).*`;
  try {
    new RegExp(anchored, "v"); // as browsers read it; what they cannot is left to the server
    return anchored;
  } catch {
    return undefined;
  }
}
