// @ts-check
// A line chart of the last fifteen minutes, to be read by pointer, by keyboard, or as a table.

import { element, fill } from "../dom.js";
import { clock, number } from "../format.js";
import { Plot } from "./plot.js";
import { Table, textColumn } from "./table.js";
import { age } from "./times.js";

const STEPS = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageUp: 4, PageDown: -4, Home: -Infinity, End: Infinity });

/** Draws anew when its points or its width change. */
export class Chart {
  /** @type {import("./plot.js").Point[]} */
  #points = [];
  /** @type {Plot | undefined} */
  #plot;
  /** @type {number | undefined} Unix seconds of the point that is marked */
  #marked;
  #stepS = 15;

  /** @param {{ title: string, unit: string, kind: "count" | "time", series: string[] }} options `unit`: what the numbers are */
  constructor({ title, unit, kind, series }) {
    this.kind = kind;
    this.series = series;
    this.canvas = element("div", {});
    this.tip = element("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    this.plot = this.#focusable(title);
    this.table = this.#asTable(title);
    this.details = element("details", { ontoggle: () => this.#fillTable() }, element("summary", {}, "As a table"), this.table.node);
    this.empty = element("p", { class: "empty" }, "No history yet: the node keeps a point every 15 s.");
    const heading = element("h3", {}, title, " ", element("span", { class: "hint" }, `(${unit})`));
    this.node = element("figure", { class: "panel chart", ariaLabel: title }, heading, this.#legend(), this.plot, this.empty, this.details);
    this.plot.hidden = this.details.hidden = true;
    new ResizeObserver(() => this.#draw()).observe(this.plot);
  }

  /** @param {import("./plot.js").Point[]} points the oldest first @param {number} stepS seconds between two points */
  show(points, stepS) {
    this.#points = points;
    this.#stepS = stepS;
    this.plot.hidden = this.details.hidden = points.length === 0;
    this.empty.hidden = points.length > 0;
    this.#draw();
    this.#fillTable();
  }

  #draw() {
    const width = this.plot.clientWidth;
    if (width > 0 && this.#points.length > 0) {
      this.#plot = new Plot(this.#points, { width, kind: this.kind, stepS: this.#stepS });
      fill(this.canvas, this.#plot.draw());
      this.#mark(this.#index);
    }
  }

  get #index() {
    const at = this.#points.findIndex((point) => point.at === this.#marked);
    return at < 0 ? undefined : at;
  }

  /** @param {number | undefined} index */
  #mark(index) {
    const point = index === undefined ? undefined : this.#points[index];
    this.#marked = point?.at;
    this.#plot?.markAt(index);
    this.tip.hidden = point === undefined;
    this.plot.ariaValueMax = String(this.#points.length - 1);
    this.plot.ariaValueNow = String(index ?? this.#points.length - 1);
    this.plot.ariaValueText = this.#told(point ?? this.#points.at(-1));
    if (point && this.#plot) {
      this.#placeTip(point, this.#plot.x(point.at));
    }
  }

  /** @param {import("./plot.js").Point} point @param {number} x */
  #placeTip(point, x) {
    const lines = this.series.map((name, at) => element("p", {}, element("i", { class: `key s${at}` }), `${name} ${this.#valueOf(point, at)}`));
    fill(this.tip, element("p", { class: "hint" }, clock(point.at)), ...lines);
    const isRight = x > this.plot.clientWidth / 2;
    this.tip.style.setProperty("left", isRight ? "auto" : `${x + 10}px`);
    this.tip.style.setProperty("right", isRight ? `${this.plot.clientWidth - x + 10}px` : "auto");
  }

  /** @param {import("./plot.js").Point | undefined} point */
  #told(point) {
    return point ? `${clock(point.at)}: ${this.series.map((name, at) => `${name} ${this.#valueOf(point, at)}`).join(", ")}` : "";
  }

  /** @param {import("./plot.js").Point} point @param {number} series */
  #valueOf(point, series) {
    const value = point.values[series] ?? null;
    if (value === null) {
      return "not known";
    }
    return this.kind === "time" ? (value === 0 ? "0 s" : age(value)) : number(value);
  }

  /** @param {string} title */
  #focusable(title) {
    return element(
      "div",
      {
        class: "plot",
        role: "slider", // arrow keys choose a moment, and its values are read out
        tabIndex: 0,
        ariaLabel: `${title}: moment`,
        ariaValueMin: "0",
        onpointermove: (/** @type {PointerEvent} */ event) => this.#mark(this.#plot?.nearest(event.clientX - this.plot.getBoundingClientRect().left)),
        onpointerleave: () => this.#mark(undefined),
        onblur: () => this.#mark(undefined),
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.#pressed(event),
      },
      this.canvas,
      this.tip,
    );
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const step = STEPS[event.key];
    const last = this.#points.length - 1;
    if (event.key === "Escape") {
      this.#mark(undefined);
    } else if (step !== undefined) {
      event.preventDefault();
      const from = this.#index ?? (step < 0 ? last + 1 : last);
      this.#mark(Math.min(last, Math.max(0, from + step)));
    }
  }

  #legend() {
    const keys = this.series.map((name, at) => element("li", {}, element("i", { class: `key s${at}` }), name));
    return this.series.length > 1 && element("ul", { class: "plain legend" }, ...keys);
  }

  /** @param {string} title */
  #asTable(title) {
    const columns = this.series.map((name, at) => textColumn(name, (point) => this.#valueOf(point, at), { isNumeric: true }));
    const time = textColumn("Time", ({ at }) => clock(at), { isHeader: true });
    return new Table({ label: `${title}, as a table`, columns: [time, ...columns], keyOf: ({ at }) => String(at), empty: "" });
  }

  #fillTable() {
    if (this.details.open) {
      this.table.show([...this.#points].reverse());
    }
  }
}
