// @ts-check
// Points in time, told as their distance from now.

import { element, setText } from "../dom.js";
import { span } from "../format.js";

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

/** How long ago or ahead: `4 s`, `2 min`; under a second `< 1 s`. @param {number} seconds */
export function age(seconds) {
  return seconds < 1 ? "< 1 s" : span(seconds);
}

/**
 * Shows the distance of a moment in `place`, the exact time in its title. In the place it had: nothing is made anew.
 *
 * @param {HTMLElement} place
 * @param {number | null} at Unix seconds; null: a dash
 * @param {number} now Unix seconds by the same clock
 */
export function paintTime(place, at, now) {
  if (at === null) {
    place.replaceChildren("–");
    return;
  }
  const time = place.querySelector("time") ?? replaced(place, element("time", {}));
  const distance = at > now ? `in ${age(at - now)}` : `${age(now - at)} ago`;
  const exact = new Date(at * 1_000);
  if (time.dateTime !== exact.toISOString()) {
    time.dateTime = exact.toISOString();
    time.title = EXACT.format(exact);
  }
  setText(time, distance);
}

/** @param {HTMLElement} place @param {any} child */
function replaced(place, child) {
  place.replaceChildren(child);
  return child;
}
