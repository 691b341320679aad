// A chart of columns side by side, each a stack of parts above and below nothing.

import { drawn } from "./dom.js";
import { chart, label, levels, scale } from "./svg.js";

const LEFT = 56;
const TOP = 10;
const HEIGHT = 150;
const AXIS = 24;
const LABEL_WIDTH = 46;

/**
 * Return the chart, and how to point into it.
 * `stacks`: one list of {kind, value} per column; `kind` is the class of the part.
 * `lines`: levels to mark, {kind, value}. `name(value)` names a level.
 */
export function columnChart({ width, words, names, stacks, lines = [], name }) {
  const sum = (parts, sign) => parts.reduce((total, { value }) => total + Math.max(sign * value, 0), 0);
  const high = Math.max(...stacks.map((parts) => sum(parts, 1)), ...lines.map(({ value }) => value), 0);
  const low = -Math.max(...stacks.map((parts) => sum(parts, -1)), 0);
  const y = scale({ top: TOP, height: HEIGHT }, low * 1.08, high * 1.08 || 1);
  const room = (width - LEFT) / stacks.length;
  const thick = Math.min(room * 0.7, 48);
  const x = (index) => LEFT + (index + 0.5) * room;
  const mark = drawn("rect", { class: "mark", y: TOP, height: HEIGHT, width: room });
  const every = Math.ceil(LABEL_WIDTH / room);
  const svg = chart(
    width,
    TOP + HEIGHT + AXIS,
    words,
    mark,
    ...levels(y, LEFT, width, name),
    ...stacks.flatMap((parts, index) => stacked(parts, x(index) - thick / 2, thick, y)),
    ...lines.map(({ kind, value }) => drawn("path", { class: kind, d: `M${LEFT} ${y(value)}H${width}` })),
    // The newest column always has its name.
    ...names.map((each, index) =>
      (names.length - 1 - index) % every ? null : label(x(index), TOP + HEIGHT + AXIS - 6, each, "middle"),
    ),
  );
  return {
    svg,
    at: (px) => Math.floor((px - LEFT) / room),
    mark: (index) => mark.setAttribute("x", LEFT + index * room),
  };
}

function stacked(parts, x, width, y) {
  let [up, down] = [0, 0];
  return parts.map(({ kind, value }) => {
    const from = value > 0 ? up : down;
    if (value > 0) up += value;
    else down += value;
    const [a, b] = [y(from), y(from + value)];
    return drawn("rect", { class: kind, x, width, y: Math.min(a, b), height: Math.abs(a - b) });
  });
}
