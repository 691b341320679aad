// Tables.

import { element } from "./dom.js";

/**
 * Return a table. A column says its title, what it shows of a row (a text or an element),
 * and whether that is a figure. It can be scrolled where it is too wide.
 */
export function table(columns, rows, title = null) {
  const kind = ({ figure }) => ({ class: figure ? "figure" : null });
  const head = columns.map((column) => element("th", { scope: "col", ...kind(column) }, column.title));
  const body = rows.map((row) =>
    element("tr", {}, ...columns.map((column) => element("td", kind(column), column.of(row)))),
  );
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": title ?? columns[0].title },
    element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body)),
  );
}
