// Builds the page: elements, the numbers in them, and what is told to screen readers.

const SVG = "http://www.w3.org/2000/svg";
let made = 0;

/**
 * An element.
 * @param {string} tag Its name.
 * @param {Object} attributes By name; `onclick` and the like are listeners, true is an
 *   attribute without a value, and what is null, undefined or false is left out.
 * @param {...any} children Nodes, texts and lists of them; null and false are left out.
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(3).filter((each) => each || each === 0));
  return node;
}

/** A name for an id that no other element has. */
export function unique(prefix) {
  made += 1;
  return `${prefix}-${made}`;
}

/** 0.9967 → "99.67 %", with as many places as tell it from 100 %. */
export function percent(share, places) {
  const value = share * 100;
  if (places !== undefined) return `${value.toFixed(places)} %`;
  if (value > 99 && value < 100) return `${Math.min(value, 99.99).toFixed(2)} %`;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${value.toFixed(value < 10 ? 1 : 0)} %`;
}

/** 10000 → "10,000". */
export function count(number) {
  return Math.round(number).toLocaleString("en");
}

/** 1 → "1 row", 2 → "2 rows". */
export function several(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** "physician-fee-freeze" → "physician fee freeze". */
export function words(name) {
  return name.replaceAll(/[-_]+/g, " ");
}

/** The first letter in upper case. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What the model means by its number, in words; `others` are the next best. */
export function certainty(probability) {
  if (probability >= 0.99) return "almost certain";
  if (probability >= 0.9) return "fairly sure";
  if (probability >= 0.6) return "leaning that way";
  return "torn";
}

/** Calls `work` when nothing has called it again for so many milliseconds. */
export function calm(work, milliseconds) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), milliseconds);
  };
}

/** Runs `work` for the newest input, one at a time; what comes between is left out. */
export function newest(work, pause = 0) {
  let busy = false;
  let next = null;
  async function run() {
    busy = true;
    while (next) {
      const [input] = next;
      next = null;
      await work(input);
      if (pause) await new Promise((done) => setTimeout(done, pause));
    }
    busy = false;
  }
  return (input) => {
    next = [input];
    if (!busy) run();
  };
}
