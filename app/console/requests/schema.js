// @ts-check
// What a JSON Schema means for a form: one shape per value, references and "or null" resolved.

/** @typedef {Record<string, any>} Schema */
/**
 * @typedef {"text" | "number" | "integer" | "boolean" | "choice" | "date" | "datetime" | "object" | "list" | "json"} Kind
 */
/**
 * `schema`: the whole of it, references resolved; `choices`: of a choice.
 *
 * @typedef {{ kind: Kind, schema: Schema, isNullable: boolean, choices?: unknown[] }} Shape
 */

const MOST_REFERENCES = 16; // deeper is a circle

/**
 * What to ask for a value of this schema.
 *
 * @param {Schema} given
 * @param {Schema} root where its references point
 * @returns {Shape}
 */
export function shapeOf(given, root) {
  const schema = whole(given, root);
  const union = schema["anyOf"] ?? schema["oneOf"];
  if (Array.isArray(union)) {
    return unionShape(schema, union, root);
  }
  if (Array.isArray(schema["type"])) {
    const { type, ...rest } = schema;
    return unionShape(
      rest,
      type.map((/** @type {string} */ each) => ({ type: each })),
      root,
    );
  }
  const choices = "const" in schema ? [schema["const"]] : schema["enum"];
  if (choices) {
    return {
      kind: "choice",
      schema,
      isNullable: choices.includes(null),
      choices: choices.filter((/** @type {unknown} */ each) => each !== null),
    };
  }
  return { kind: kindOf(schema), schema, isNullable: false };
}

/**
 * What a value that is not given is: left out, or null where leaving it out would mean something else.
 *
 * @param {Shape} shape
 * @param {boolean} isRequired
 * @returns {null | undefined}
 */
export function nothingOf({ schema, isNullable }, isRequired) {
  const meansSomething = isRequired || (schema["default"] ?? null) !== null;
  return isNullable && meansSomething ? null : undefined;
}

/** @param {Schema} schema @param {Schema[]} union @param {Schema} root @returns {Shape} */
function unionShape(schema, union, root) {
  const parts = union.map((part) => whole(part, root));
  const others = parts.filter((part) => part["type"] !== "null");
  const isNullable = others.length < parts.length;
  const only = others.length === 1 ? others[0] : numeric(others);
  if (only === undefined) {
    return { kind: "json", schema, isNullable };
  }
  const { anyOf: _, oneOf: __, ...around } = schema;
  const shape = shapeOf({ ...only, ...around }, root);
  return { ...shape, isNullable: isNullable || shape.isNullable };
}

/** An integer or a number is a number. @param {Schema[]} parts */
function numeric(parts) {
  const isNumeric = parts.every((part) => part["type"] === "integer" || part["type"] === "number");
  return isNumeric ? parts.find((part) => part["type"] === "number") : undefined;
}

/**
 * The schema with what it refers to; what stands beside a reference wins.
 *
 * @param {Schema} schema
 * @param {Schema} root
 * @returns {Schema}
 */
function whole(schema, root, depth = 0) {
  const { $ref, allOf, ...rest } = schema;
  const parts = [...($ref ? [referred($ref, root)] : []), ...(allOf ?? [])];
  if (parts.length === 0 || depth > MOST_REFERENCES) {
    return rest;
  }
  return Object.assign({}, ...parts.map((part) => whole(part, root, depth + 1)), rest);
}

/** @param {string} reference as `#/$defs/Name` @param {Schema} root @returns {Schema} */
function referred(reference, root) {
  const names = reference
    .replace(/^#\//, "")
    .split("/")
    .map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
  /** @type {any} */
  let found = root;
  for (const name of names) {
    found = found?.[name];
  }
  return found ?? {};
}

/** @param {Schema} schema @returns {Kind} */
function kindOf({ type, format, properties, items, prefixItems, contentMediaType }) {
  switch (type) {
    case "string":
      return contentMediaType ? "json" : format === "date" ? "date" : format === "date-time" ? "datetime" : "text";
    case "integer":
    case "number":
    case "boolean":
      return type;
    case "array":
      return items && !prefixItems ? "list" : "json";
    default:
      return properties ? "object" : "json";
  }
}
