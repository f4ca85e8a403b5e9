// @ts-check
// How times, numbers and values are written for people.

const UNITS = /** @type {const} */ ([
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
]);

/** A span in one unit: `840 ms`, `12 s`, `3 min`, `2 h`, `4 d`. @param {number} seconds */
export function span(seconds) {
  if (seconds < 1) {
    return `${Math.max(0, Math.round(seconds * 1_000))} ms`;
  }
  const [unit, size] = UNITS.find(([, each]) => seconds >= each) ?? ["s", 1];
  return `${Math.floor(seconds / size)} ${unit}`;
}

/** The time of day, to the second, as the reader's clock has it. @param {number} unixSeconds */
export function clock(unixSeconds) {
  return CLOCK.format(unixSeconds * 1_000);
}

/** The time of day, with the date where that is not today. @param {number} unixSeconds */
export function moment(unixSeconds) {
  const date = new Date(unixSeconds * 1_000);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? CLOCK.format(date) : `${DAY.format(date)} ${CLOCK.format(date)}`;
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${NUMBER.format(count)} ${count === 1 ? one : many}`;
}

/** @param {number} value */
export function number(value) {
  return NUMBER.format(value);
}

/** A value as JSON for people; a long one is cut. @param {unknown} value @param {number} [characters] */
export function pretty(value, characters = 20_000) {
  return shortened(JSON.stringify(value, null, 2) ?? "", characters);
}

/** @param {string} text @param {number} characters */
export function shortened(text, characters) {
  return text.length > characters ? `${text.slice(0, characters)}…` : text;
}

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});
const DAY = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const NUMBER = new Intl.NumberFormat("en");
