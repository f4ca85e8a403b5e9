// @ts-check
// Making elements. Text is only ever set as text, so nothing that a server says becomes markup.

/**
 * A new element.
 *
 * `props`: `class`, `dataset` (an object), `on<event>` (a function), properties of the element, and attributes
 * (`aria-…`, `role` and whatever is no property). What is null or undefined is left out; so are children that
 * are null, undefined or false.
 *
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node | string | number | null | undefined | false)} children
 * @returns {any}
 */
export function element(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value !== null && value !== undefined) {
      set(node, name, value);
    }
  }
  node.append(...children.filter(isShown).map(asNode));
  return node;
}

/** Makes these the only children of `parent`. @param {Element} parent @param {...any} children */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.filter(isShown).map(asNode));
}

/**
 * Sets the text where it differs, so that nothing is laid out or read out again for nothing.
 *
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/**
 * A button that is no submit button.
 *
 * @param {string} text
 * @param {() => unknown} onClick
 * @param {Record<string, any>} [props]
 */
export function button(text, onClick, props = {}) {
  return element("button", { type: "button", onclick: onClick, ...props }, text);
}

/** A colour-coded word: `tone` is good, bad, warn, live or quiet. @param {string} text @param {string} [tone] */
export function badge(text, tone = "quiet") {
  return element("span", { class: "badge", dataset: { tone } }, text);
}

let numbered = 0;

/** An id that no other element has. @param {string} [stem] */
export function uniqueId(stem = "e") {
  numbered += 1;
  return `${stem}-${numbered}`;
}

/** @param {any} node @param {string} name @param {any} value */
function set(node, name, value) {
  if (name === "class") {
    node.className = value;
  } else if (name === "dataset") {
    Object.assign(node.dataset, value);
  } else if (name.startsWith("on")) {
    node.addEventListener(name.slice(2), value);
  } else if (name in node) {
    node[name] = value;
  } else {
    node.setAttribute(name, value);
  }
}

/** @param {any} child */
function isShown(child) {
  return child !== null && child !== undefined && child !== false;
}

/** @param {any} child @returns {Node} */
function asNode(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}
