// Elements. Texts are set as texts: names of devices come from users.

/** Return an element; attributes that are null are left out, and so are children. */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Return an SVG element, in the same way. */
export function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return a button that calls `then`. */
export function pressed(then, attributes, ...children) {
  const button = element("button", { type: "button", ...attributes }, ...children);
  button.addEventListener("click", then);
  return button;
}

/** Return what stands where there is nothing to show yet: what that means, and where to go. */
export function empty(words, link = null) {
  return element(
    "div",
    { class: "empty" },
    element("p", {}, words),
    link && element("a", { href: link.href }, link.words),
  );
}
