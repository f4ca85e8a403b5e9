// @ts-check
// A choice of one of a few, all in sight.

import { element, setText, uniqueId } from "../dom.js";
import { number } from "../format.js";

/** Where jobs stand: a radio button for each standing, with how many jobs are there. The first is chosen. */
export class Standings {
  /** @type {Map<string, { input: any, count: any }>} */
  #choices = new Map();

  /** @param {readonly (readonly [string, string])[]} standings values and titles @param {() => void} onChange */
  constructor(standings, onChange) {
    const name = uniqueId("standing");
    const labels = standings.map(([value, title], at) => {
      const input = element("input", { type: "radio", name, value, checked: at === 0, onchange: onChange });
      const count = element("span", { class: "count" });
      this.#choices.set(value, { input, count });
      return element("label", {}, input, element("span", {}, title, " ", count));
    });
    this.node = element("fieldset", { class: "segments" }, element("legend", { class: "unseen" }, "Status"), ...labels);
  }

  /** @returns {string} */
  get chosen() {
    const checked = [...this.#choices].find(([, { input }]) => input.checked);
    return /** @type {[string, any]} */ (checked)[0];
  }

  /** @param {string} value */
  choose(value) {
    const choice = this.#choices.get(value);
    if (choice) {
      choice.input.checked = true;
    }
  }

  /** @param {any} queue as in the overview; undefined: not known */
  count(queue) {
    for (const [value, { count }] of this.#choices) {
      setText(count, queue ? counted(queue, value) : "");
    }
  }
}

/** How many jobs of a queue stand there, at least. @param {any} queue as in the overview @param {string} standing */
export function counted(queue, standing) {
  const isFloor = !queue.is_exact && queue[standing] > 0;
  return `${isFloor ? "≥ " : ""}${number(queue[standing])}`;
}
