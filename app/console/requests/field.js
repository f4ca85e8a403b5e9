// @ts-check
// The field of any schema, with its label and its hint.

import { element, uniqueId } from "../dom.js";
import { single } from "./fields.js";
import { ListField, ObjectField, OptionalField } from "./groups.js";
import { nothingOf, shapeOf } from "./schema.js";

/** @typedef {import("./schema.js").Schema} Schema */
/** @typedef {import("./schema.js").Shape} Shape */
/** @typedef {import("./fields.js").Field} Field */

const GROUPS = new Set(["object", "list", "json"]);

/**
 * The fields of a payload, as an object's; undefined where only JSON will do.
 *
 * @param {Schema | null} schema
 * @returns {Field | undefined}
 */
export function formOf(schema) {
  const shape = schema === null ? undefined : shapeOf(schema, schema);
  if (schema === null || shape?.kind !== "object" || shape.isNullable) {
    return undefined;
  }
  return new ObjectField(shape, labelled(schema));
}

/** @param {Schema} root @returns {import("./groups.js").Make} */
function labelled(root) {
  /** @type {import("./groups.js").Make} */
  const make = (name, schema, isRequired) => {
    const shape = shapeOf(schema, root);
    const field = fieldOf(name, shape, isRequired, make);
    start(field, shape, isRequired);
    const node = name === "" ? field.node : around(name, field, shape, isRequired);
    return { node, get: () => field.get(), set: (value) => field.set(value) };
  };
  return make;
}

/**
 * @param {string} name
 * @param {Shape} shape
 * @param {boolean} isRequired
 * @param {import("./groups.js").Make} make
 * @returns {Field}
 */
function fieldOf(name, shape, isRequired, make) {
  const mayBeAbsent = name !== "" && (!isRequired || shape.isNullable);
  if (GROUPS.has(shape.kind) && mayBeAbsent) {
    return new OptionalField(name, nothingOf(shape, isRequired), () => group(name, shape, make));
  }
  return GROUPS.has(shape.kind) ? group(name, shape, make) : single(shape, isRequired);
}

/** @param {string} name @param {Shape} shape @param {import("./groups.js").Make} make @returns {Field} */
function group(name, shape, make) {
  switch (shape.kind) {
    case "object":
      return new ObjectField(shape, make);
    case "list":
      return new ListField(name, shape, make);
    default:
      return single(shape, true);
  }
}

/**
 * What a field shows before anybody has touched it: the default; of a date that must be given, today.
 *
 * @param {Field} field
 * @param {Shape} shape
 * @param {boolean} isRequired
 */
function start(field, { kind, schema, choices }, isRequired) {
  if ("default" in schema) {
    field.set(schema["default"]);
  } else if (isRequired && kind === "date") {
    field.set(today());
  } else if (isRequired && choices?.length === 1) {
    field.set(choices[0]);
  }
}

/** @param {string} name @param {Field} field @param {Shape} shape @param {boolean} isRequired */
function around(name, field, shape, isRequired) {
  const hint = hintOf(shape);
  const hintId = uniqueId("hint");
  const told = hint === "" ? null : element("p", { class: "hint", id: hintId }, hint);
  const mark = isRequired ? null : element("span", { class: "hint" }, " optional");
  if (GROUPS.has(shape.kind) && !field.node.matches("textarea")) {
    return element("fieldset", {}, element("legend", {}, name, mark), told, field.node);
  }
  field.node.id = uniqueId("field");
  if (told) {
    field.node.setAttribute("aria-describedby", hintId);
  }
  const label = element("label", { htmlFor: field.node.id }, name, mark);
  const isSwitch = field.node.matches('[type="checkbox"]');
  return isSwitch
    ? element("div", { class: "field" }, element("div", { class: "row" }, field.node, label), told)
    : element("div", { class: "field" }, label, field.node, told);
}

/** @param {Shape} shape */
function hintOf({ schema }) {
  const { description, minimum, maximum } = schema;
  const range = minimum !== undefined && maximum !== undefined && `${minimum} to ${maximum}`;
  return [description, range].filter(Boolean).join(" · ");
}

function today() {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}
