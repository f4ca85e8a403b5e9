// @ts-check
// Making elements of SVG.

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} tag @param {Record<string, string | number>} attributes @param {...(Node | string)} children @returns {any} */
export function shape(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, String(value));
  }
  node.append(...children);
  return node;
}

/**
 * The path of a line through points, lifted where there is a hole.
 *
 * @param {({ x: number, y: number } | null)[]} points null: a hole
 */
export function pathOf(points) {
  let isDown = false;
  return points
    .map((point) => {
      const step = point && `${isDown ? "L" : "M"}${point.x.toFixed(1)} ${point.y.toFixed(1)}`;
      isDown = point !== null;
      return step ?? "";
    })
    .join("");
}
