/** Elements: the only place where the page makes any, so whatever a source says is text and never markup. */
'use strict';

const SVG_NAMES = 'http://www.w3.org/2000/svg';
/** Characters that steer text instead of being text: controls, and those that turn its direction. */
const STEERING = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const NAME_LONGEST = 80;
const TITLE_LONGEST = 400;

/**
 * Appends children to an element: elements, and all else as text; null and false are left out.
 * @param {Element} parent @param {Array<*>} children @returns {Element}
 */
function fill(parent, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return parent;
}

/**
 * Sets attributes; `on…` are listeners, true is an attribute without a value, null and false are left out.
 * @param {Element} element @param {Object<string, *>} attributes @returns {Element}
 */
function dress(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  return element;
}

/** @param {string} tag @param {Object<string, *>} attributes @param {...*} children @returns {HTMLElement} */
function node(tag, attributes = {}, ...children) {
  return fill(dress(document.createElement(tag), attributes), children);
}

/** @param {string} tag @param {Object<string, *>} attributes @param {...*} children @returns {SVGElement} */
function svg(tag, attributes = {}, ...children) {
  return fill(dress(document.createElementNS(SVG_NAMES, tag), attributes), children);
}

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  return document.getElementById(id);
}

/**
 * Text of a source, readable: steering characters are written out as \u202e, and what is too long is cut.
 * @param {string} text @param {number} longest @returns {string}
 */
function plain(text, longest = NAME_LONGEST) {
  const letters = Array.from(String(text).slice(0, 4 * longest + 4));
  const cut = letters.length > longest ? letters.slice(0, longest).join('') + '…' : letters.join('');
  return cut.replace(STEERING, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

/**
 * A name from outside: isolated from the direction of what stands around it, cut, and whole in its title.
 * @param {string} text @param {number} longest @returns {HTMLElement}
 */
function foreign(text, longest = NAME_LONGEST) {
  const said = plain(text, longest);
  return node('bdi', { class: 'foreign', title: said.endsWith('…') ? plain(text, TITLE_LONGEST) : null }, said);
}

/** What an object itself has under a key; a key from outside may be `__proto__`. @param {Object} object @param {string} key */
function own(object, key) {
  return object && Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Puts new children in the place of the old ones. @param {Element} parent @param {...*} children */
function refill(parent, ...children) {
  parent.replaceChildren();
  fill(parent, children);
}
