// @ts-check
// Round numbers for an axis.

const COUNTS = [1, 2, 5];
const TIMES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400];
const UNITS = /** @type {const} */ ([["d", 86_400], ["h", 3_600], ["min", 60]]);
const LINES = 4;

/** An axis from 0 up to at least `max`: where its lines are, in at most four steps. @param {number} max @param {"count" | "time"} kind */
export function ticks(max, kind) {
  const step = kind === "count" ? countStep(max) : timeStep(max);
  const steps = Math.max(1, Math.ceil(max / step));
  return Array.from({ length: steps + 1 }, (_, at) => at * step);
}

/** The unit in which an axis of seconds up to `max` is written: its name and its seconds. @param {number} max @returns {readonly [string, number]} */
export function timeUnit(max) {
  return UNITS.find(([, size]) => max >= 2 * size) ?? ["s", 1];
}

/** @param {number} max whole steps only: there are no half jobs */
function countStep(max) {
  for (let power = 1; ; power *= 10) {
    const fit = COUNTS.find((each) => each * power * LINES >= max);
    if (fit) {
      return fit * power;
    }
  }
}

/** @param {number} max seconds */
function timeStep(max) {
  const days = 86_400;
  return TIMES.find((each) => each * LINES >= max) ?? countStep(max / days) * days;
}
