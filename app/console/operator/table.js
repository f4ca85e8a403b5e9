// @ts-check
// A table whose rows stay the same elements from one refresh to the next, so focus, selection and scroll stay too.

import { element, fill, setText } from "../dom.js";

/**
 * @template T
 * @typedef {object} Column
 * @property {string} title
 * @property {boolean} [isNumeric]
 * @property {boolean} [isHeader] whether the cell names the row
 * @property {(cell: HTMLElement, item: () => T) => void} [make] once per row; `item()` is the newest
 * @property {(cell: HTMLElement, item: T) => void} [paint] at every refresh
 */

/** A column of plain text. @param {string} title @param {(item: any) => string} text @param {object} [more] @returns {Column<any>} */
export function textColumn(title, text, more = {}) {
  return { title, paint: (cell, item) => setText(cell, text(item)), ...more };
}

/** Rows by key, in the order given. */
export class Table {
  #columns;
  #keyOf;
  /** @type {Map<string, { node: HTMLTableRowElement, cells: HTMLElement[], item: any }>} */
  #rows = new Map();

  /** @param {{ label: string, columns: Column<any>[], keyOf: (item: any) => string, empty: string }} options */
  constructor({ label, columns, keyOf, empty }) {
    this.#columns = columns;
    this.#keyOf = keyOf;
    const heads = columns.map(({ title, isNumeric }) => element("th", { scope: "col", class: isNumeric ? "numeric" : "" }, title));
    this.body = element("tbody");
    this.table = element("table", { ariaLabel: label }, element("thead", {}, element("tr", {}, ...heads)), this.body);
    this.empty = element("p", { class: "empty" }, empty);
    this.frame = element("div", { class: "scroll", role: "region", ariaLabel: label, tabIndex: 0, hidden: true }, this.table);
    this.node = element("div", {}, this.frame, this.empty);
  }

  /** Makes the rows those of the items. @param {any[]} items */
  show(items) {
    const focused = document.activeElement;
    const hadFocus = this.frame.contains(focused);
    this.#drop(new Set(items.map(this.#keyOf)));
    let next = this.body.firstElementChild;
    for (const item of items) {
      const { node } = this.#painted(item);
      if (node === next) {
        next = next.nextElementSibling;
      } else {
        this.body.insertBefore(node, next);
      }
    }
    this.frame.hidden = items.length === 0;
    this.empty.hidden = items.length > 0;
    if (hadFocus && (this.frame.hidden || document.activeElement !== focused)) {
      this.#refocus(/** @type {HTMLElement} */ (focused));
    }
  }

  /** @param {Set<string>} kept */
  #drop(kept) {
    for (const [key, { node }] of this.#rows) {
      if (!kept.has(key)) {
        node.remove();
        this.#rows.delete(key);
      }
    }
  }

  /** @param {any} item */
  #painted(item) {
    const key = this.#keyOf(item);
    const row = this.#rows.get(key) ?? this.#made(key, item);
    row.item = item;
    this.#columns.forEach(({ paint }, at) => paint?.(/** @type {HTMLElement} */ (row.cells[at]), item));
    return row;
  }

  /** @param {string} key @param {any} item */
  #made(key, item) {
    const cells = this.#columns.map(({ isHeader, isNumeric }) =>
      element(isHeader ? "th" : "td", { class: isNumeric ? "numeric" : "", ...(isHeader && { scope: "row" }) }),
    );
    const row = { node: element("tr"), cells, item };
    fill(row.node, ...cells);
    this.#columns.forEach(({ make }, at) => make?.(/** @type {HTMLElement} */ (cells[at]), () => row.item));
    this.#rows.set(key, row);
    return row;
  }

  /** A row that moved takes its focus along; one that went leaves it to the table. @param {HTMLElement} focused */
  #refocus(focused) {
    const kept = focused.isConnected ? focused : this.frame;
    const target = this.frame.hidden ? this.empty : kept;
    this.empty.tabIndex = -1;
    target.focus({ preventScroll: true });
  }
}
