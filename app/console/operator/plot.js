// @ts-check
// The drawing of a chart: axes, lines, and the mark of one moment.

import { clock } from "../format.js";
import { pathOf, shape } from "./svg.js";
import { ticks, timeUnit } from "./scale.js";

/** @typedef {{ at: number, values: (number | null)[] }} Point one moment, Unix seconds; a value for each series, null: not known */

const HEIGHT = 150;
const EDGE = { top: 10, right: 12, bottom: 22, left: 46 };
const SPAN_S = 15 * 60;
const TICK_S = 5 * 60;

/** Points in the pixels of a drawing that is `width` wide; the newest one stands at the right edge. */
export class Plot {
  /** @param {Point[]} points at least one, the oldest first @param {{ width: number, kind: "count" | "time", stepS: number }} options */
  constructor(points, { width, kind, stepS }) {
    this.points = points;
    this.width = width;
    this.kind = kind;
    this.stepS = stepS;
    this.end = /** @type {Point} */ (points.at(-1)).at;
    this.lines = ticks(Math.max(1, ...points.flatMap(({ values }) => values.map((value) => value ?? 0))), kind);
    this.top = /** @type {number} */ (this.lines.at(-1));
  }

  /** Whether the drawing goes so far back. @param {number} at Unix seconds */
  x(at) {
    return this.width - EDGE.right - ((this.end - at) / SPAN_S) * (this.width - EDGE.left - EDGE.right);
  }

  /** @param {number} value */
  y(value) {
    return HEIGHT - EDGE.bottom - (value / this.top) * (HEIGHT - EDGE.top - EDGE.bottom);
  }

  /** The point whose moment is the nearest to a place. @param {number} x pixels from the left */
  nearest(x) {
    const distances = this.points.map(({ at }) => Math.abs(this.x(at) - x));
    return distances.indexOf(Math.min(...distances));
  }

  /** All of it; `mark` stays for `markAt`. */
  draw() {
    this.mark = shape("g", { class: "mark" });
    const root = shape("svg", { width: this.width, height: HEIGHT, viewBox: `0 0 ${this.width} ${HEIGHT}`, "aria-hidden": "true" });
    root.append(...this.#across(), ...this.#down(), ...this.#series(), this.mark);
    return root;
  }

  /** Marks a point by a line and a dot on each series; undefined: none. @param {number | undefined} at */
  markAt(at) {
    const point = at === undefined ? undefined : this.points[at];
    this.mark?.replaceChildren();
    if (point) {
      const x = this.x(point.at);
      this.mark.append(shape("line", { class: "cross", x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }));
      point.values.forEach((value, series) => {
        if (value !== null) {
          this.mark.append(shape("circle", { class: `dot s${series}`, cx: x, cy: this.y(value), r: 3.5 }));
        }
      });
    }
  }

  #across() {
    const [unit, size] = this.kind === "time" ? timeUnit(this.top) : ["", 1];
    return this.lines.flatMap((value) => {
      const y = this.y(value);
      const label = `${new Intl.NumberFormat("en", { notation: "compact" }).format(value / size)} ${unit}`.trim();
      return [
        shape("line", { class: value === 0 ? "axis" : "grid", x1: EDGE.left, x2: this.width - EDGE.right, y1: y, y2: y }),
        shape("text", { class: "tick", x: EDGE.left - 6, y: y + 4, "text-anchor": "end" }, label),
      ];
    });
  }

  #down() {
    const backs = Array.from({ length: SPAN_S / TICK_S + 1 }, (_, at) => at * TICK_S);
    return backs.map((back) => {
      const label = back === 0 ? clock(this.end).slice(0, 5) : `−${back / 60} min`;
      const anchor = back === 0 ? "end" : back === SPAN_S ? "start" : "middle";
      return shape("text", { class: "tick", x: this.x(this.end - back), y: HEIGHT - 6, "text-anchor": anchor }, label);
    });
  }

  #series() {
    const count = this.points[0]?.values.length ?? 0;
    return Array.from({ length: count }, (_, series) => shape("path", { class: `trace s${series}`, d: pathOf(this.#places(series)) }));
  }

  /** @param {number} series */
  #places(series) {
    return this.points.flatMap(({ at, values }, index) => {
      const value = values[series] ?? null;
      const before = this.points[index - 1];
      const isAfterHole = before !== undefined && at - before.at > 1.5 * this.stepS;
      const place = value === null ? null : { x: this.x(at), y: this.y(value) };
      return isAfterHole ? [null, place] : [place];
    });
  }
}
