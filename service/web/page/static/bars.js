// Probabilities as bars that move.

import { h, percent } from "./dom.js";

/** Bars of classes, the best first: a list whose rows stay while their numbers move. */
export class ClassBars {
  constructor(label) {
    this.node = h("ol", { class: "bars", "aria-label": label });
  }

  /** @param {Object[]} classes Each with `label`, `score`, and perhaps a `title`. */
  show(classes) {
    while (this.node.children.length > classes.length) this.node.lastChild.remove();
    while (this.node.children.length < classes.length) this.node.append(bar());
    classes.forEach((each, index) => {
      const [label, track, value] = this.node.children[index].children;
      label.textContent = each.label;
      label.title = each.title ?? "";
      track.firstChild.style.transform = `scaleX(${Math.min(1, Math.max(0, each.score))})`;
      value.textContent = percent(each.score);
      this.node.children[index].classList.toggle("best", index === 0);
    });
  }
}

function bar() {
  return h(
    "li",
    {},
    h("span", { class: "name" }),
    h("span", { class: "track", "aria-hidden": "true" }, h("i")),
    h("span", { class: "value" }),
  );
}

/** Ten columns or so, side by side, in a fixed order. */
export class Columns {
  constructor(names, label) {
    this.columns = names.map((name) => {
      const fill = h("i");
      const value = h("span", { class: "value" }, "–");
      const node = h(
        "li",
        {},
        h("span", { class: "shaft", "aria-hidden": "true" }, fill),
        h("span", { class: "name" }, name),
        value,
      );
      return { node, fill, value };
    });
    this.node = h(
      "ol",
      { class: "columns", "aria-label": label },
      this.columns.map((c) => c.node),
    );
  }

  /** @param {number[]} shares One for each name. */
  show(shares) {
    const best = shares.indexOf(Math.max(...shares));
    this.columns.forEach(({ node, fill, value }, index) => {
      fill.style.transform = `scaleY(${shares[index]})`;
      value.textContent = percent(shares[index], 0);
      node.classList.toggle("best", index === best && shares[index] > 0);
    });
  }

  clear() {
    this.columns.forEach(({ node, fill, value }) => {
      fill.style.transform = "scaleY(0)";
      value.textContent = "–";
      node.classList.remove("best");
    });
  }
}

/** A hundred dots, of which so many are full: "of 100 like this, 84". */
export class Dots {
  constructor() {
    this.dots = Array.from({ length: 100 }, () => h("i"));
    this.node = h("div", { class: "dots", "aria-hidden": "true" }, this.dots);
  }

  show(share) {
    const full = Math.round(share * 100);
    this.dots.forEach((dot, index) => dot.classList.toggle("full", index < full));
  }
}

/** Puts a needle to a share of its ruler, never over its ends. */
export function place(needle, share) {
  needle.style.left = `calc(15px + ${share} * (100% - 30px))`;
}
