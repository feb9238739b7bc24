// Elements out of data. Text only ever becomes text: nothing here, and nothing elsewhere in the console, parses markup.
// Called by every view; it knows no data of its own.

/**
 * An element. `properties`: `class`, `on` ({event: listener}), `data` ({name: value}), attributes otherwise; true is an empty
 * attribute, null and false leave it out. Children are elements, strings, numbers, nested lists; null and false are left out.
 */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Put these children in the place of what the element holds. */
export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/** Set an element's text, and leave the document alone where it is that already. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Show `items` as the children of `container`, in order. A child stays the same element as long as its key is there, so that focus,
 * scroll positions and selections survive. `make(item)` gives the element; `update(element, item)` is called for every item.
 */
export function keep(container, items, key, make, update) {
  const known = new Map([...container.children].map((child) => [child.dataset.key, child]));
  let place = container.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = known.get(name);
    if (child === undefined) {
      child = make(item);
      child.dataset.key = name;
    }
    known.delete(name);
    update?.(child, item);
    if (child === place) {
      place = place.nextElementSibling;
    } else {
      container.insertBefore(child, place);
    }
  }
  for (const child of known.values()) child.remove();
}
