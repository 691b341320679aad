// What charts share: scales with their lines, and a way through them by pointer and keyboard.

import { drawn, element } from "./dom.js";

/** Return what turns a value into a height within a panel; it knows its bounds. */
export function scale({ top, height }, low, high) {
  const y = (value) => top + height - ((value - low) / (high - low || 1)) * height;
  return Object.assign(y, { low, high, top, bottom: top + height });
}

/** Return round values within bounds, about so many. */
export function ticks(low, high, about = 4) {
  const rough = (high - low || 1) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high; n += 1) found.push(n * step);
  return found;
}

/** Return a text; `anchor` says which part of it is at x. */
export const label = (x, y, words, anchor = "end") => drawn("text", { x, y, "text-anchor": anchor }, words);

/** Return lines across a panel at round values, with their names left of it. */
export function levels(y, left, right, name, about) {
  return ticks(y.low, y.high, about).flatMap((value) => [
    drawn("path", { class: "grid-line", d: `M${left} ${y(value)}H${right}` }),
    label(left - 6, y(value) + 4, name(value)),
  ]);
}

/** Return the SVG of a chart that can be walked through. */
export function chart(width, height, words, ...children) {
  const attributes = { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words };
  return drawn("svg", attributes, ...children);
}

const MOVES = {
  ArrowLeft: (index) => index - 1,
  ArrowRight: (index) => index + 1,
  Home: () => 0,
  End: (_, count) => count - 1,
};

/**
 * Let a chart be walked through: `show(index)` is called for what is pointed at.
 * `at(x)` returns the index for a place in the chart's own units.
 */
export function walked(svg, { count, start = 0, at, show, moves = MOVES }) {
  let index = start;
  const to = (next) => {
    const bounded = Math.min(Math.max(next, 0), count - 1);
    if (bounded !== index) show((index = bounded));
  };
  svg.setAttribute("tabindex", "0");
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const factor = svg.viewBox.baseVal.width / box.width;
    to(at((event.clientX - box.left) * factor, (event.clientY - box.top) * factor));
  });
  svg.addEventListener("keydown", (event) => {
    if (!moves[event.key]) return;
    event.preventDefault();
    to(moves[event.key](index, count));
  });
  show(index);
  return svg;
}

/** Return a legend's entry; `value` is the element that shows the figure pointed at. */
export const legend = (colour, name, value = null) =>
  element("span", {}, element("i", { style: `background:${colour}` }), name, value && " ", value);
