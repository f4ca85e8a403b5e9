// @ts-check
// Values made of values: objects, lists, and what may be left out as a whole.

import { button, element, fill, uniqueId } from "../dom.js";

/** @typedef {import("./schema.js").Schema} Schema */
/** @typedef {import("./schema.js").Shape} Shape */
/** @typedef {import("./fields.js").Field} Field */
/**
 * @typedef {(name: string, schema: Schema, isRequired: boolean) => Field} Make makes the field of a part, with its label
 */

/** @implements {Field} */
export class ObjectField {
  /** @type {Map<string, Field>} */
  #fields = new Map();
  /** @type {Record<string, any>} what was set and has no field; given back as it is */
  #others = {};

  /** @param {Shape} shape @param {Make} make */
  constructor({ schema }, make) {
    const required = new Set(schema["required"]);
    for (const [name, part] of Object.entries(schema["properties"])) {
      this.#fields.set(name, make(name, part, required.has(name)));
    }
    this.node = element("div", { class: "fields" }, ...[...this.#fields.values()].map((field) => field.node));
  }

  get() {
    const known = [...this.#fields].map(([name, field]) => [name, field.get()]);
    return { ...Object.fromEntries(known.filter(([, value]) => value !== undefined)), ...this.#others };
  }

  /** @param {any} value */
  set(value) {
    const given = isObject(value) ? value : {};
    for (const [name, field] of this.#fields) {
      field.set(given[name]);
    }
    this.#others = Object.fromEntries(Object.entries(given).filter(([name]) => !this.#fields.has(name)));
  }
}

/** @implements {Field} */
export class ListField {
  /** @type {Field[]} */
  #items = [];

  /** @param {string} name @param {Shape} shape @param {Make} make */
  constructor(name, { schema }, make) {
    this.name = name;
    this.schema = schema;
    this.make = make;
    this.list = element("ol", { class: "plain stack" });
    this.add = button("Add", () => this.#grow(), { class: "quiet", ariaLabel: `Add to ${name}` });
    this.node = element("div", { class: "stack" }, this.list, element("div", {}, this.add));
    this.set([]);
  }

  get() {
    return this.#items.map((item) => item.get() ?? null);
  }

  /** @param {any} values */
  set(values) {
    const given = Array.isArray(values) ? values : [];
    const { minItems = 0 } = this.schema;
    const missing = new Array(Math.max(0, minItems - given.length)).fill(undefined);
    this.#items = [...given, ...missing].map((value) => this.#item(value));
    this.#show();
  }

  #grow() {
    this.#items.push(this.#item(undefined));
    this.#show();
    const added = this.list.lastElementChild?.querySelector("input, select, textarea, button");
    added?.focus();
    this.#tell();
  }

  /** @param {number} at */
  #drop(at) {
    this.#items.splice(at, 1);
    this.#show();
    this.add.focus();
    this.#tell();
  }

  /** @param {any} value */
  #item(value) {
    const item = this.make("", this.schema["items"], true);
    if (value !== undefined) {
      item.set(value);
    }
    return item;
  }

  #show() {
    const { minItems = 0, maxItems = Infinity } = this.schema;
    const rows = this.#items.map((item, at) => {
      const label = `Remove item ${at + 1} of ${this.name}`;
      nameItem(item, `${this.name} ${at + 1}`);
      const remove = button("Remove", () => this.#drop(at), {
        class: "quiet",
        ariaLabel: label,
        disabled: this.#items.length <= minItems,
      });
      return element("li", { class: "item" }, item.node, remove);
    });
    fill(this.list, ...rows);
    this.add.disabled = this.#items.length >= maxItems;
  }

  #tell() {
    this.list.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

/** An object, a list or free JSON that may be absent: it is asked for only once it is wanted. @implements {Field} */
export class OptionalField {
  /** @type {Field | undefined} made when first wanted, as a schema may contain itself */
  #inner;

  /**
   * @param {string} name
   * @param {any} nothing what it is when it is absent: undefined or null
   * @param {() => Field} make
   */
  constructor(name, nothing, make) {
    this.nothing = nothing;
    this.make = make;
    const id = uniqueId("given");
    this.given = element("input", { type: "checkbox", id, onchange: () => this.#show() });
    this.place = element("div");
    const label = element("label", { htmlFor: id, class: "light" }, `give ${name}`);
    this.node = element("div", { class: "stack" }, element("div", { class: "row" }, this.given, label), this.place);
  }

  get() {
    return this.given.checked ? this.#inner?.get() : this.nothing;
  }

  /** @param {any} value */
  set(value) {
    this.given.checked = value !== undefined && value !== null;
    this.#show();
    if (this.given.checked) {
      this.#inner?.set(value);
    }
  }

  #show() {
    if (this.given.checked) {
      this.#inner ??= this.make();
      fill(this.place, this.#inner.node);
    } else {
      fill(this.place);
    }
  }
}

/** An item of a list has no label of its own: what it is in is its name. @param {Field} item @param {string} label */
function nameItem(item, label) {
  const control = item.node.matches("input, select, textarea")
    ? item.node
    : item.node.querySelector(":scope > :is(input, select, textarea)");
  if (control && !control.id) {
    control.ariaLabel = label;
  }
}

/** @param {any} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
