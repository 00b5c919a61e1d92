// What the typed endpoints of declared tasks answer, shown.

import { ClassBars } from "./bars.js";
import { Mask } from "./mask.js";
import { capital, certainty, h, percent } from "./dom.js";

/** Shows the first prediction of any task. */
export class TaskAnswer {
  /** @param {string[]} labels Of the model's classes, by their number. */
  constructor(labels = []) {
    this.bars = new ClassBars("The most probable");
    this.value = h("p", { class: "numeral" });
    this.mask = new Mask(labels);
    this.overlay = h("img", { class: "mask pixels", alt: "Your picture, with outlines" });
    this.overlay.hidden = true;
    this.warning = h("p", { class: "note" });
    this.nodes = [
      this.value,
      this.overlay,
      this.mask.node,
      this.bars.node,
      this.warning,
    ];
  }

  /**
   * @param {Object} found The first of `predictions`.
   * @returns {string} It in a sentence.
   */
  show(found) {
    this.value.hidden = found.value === undefined;
    this.warning.textContent = found.warning ?? "";
    this.mask.node.hidden = !found.mask;
    this.overlay.hidden = !found.overlay;
    if (found.overlay) this.overlay.src = `data:image/png;base64,${found.overlay}`;
    if (found.value !== undefined) return this.showValue(found);
    if (found.mask) this.mask.show(found);
    const classes = found.classes ??
      found.shares ?? [{ label: found.label, score: found.score }];
    this.bars.show(classes.map(({ label, score }) => ({ label: String(label), score })));
    const [best] = classes;
    if (found.mask) {
      const counted = found.count === undefined ? "" : `${found.count} found. `;
      return `${counted}${capital(String(best.label))} fills ${percent(best.score)} of it.`;
    }
    return `${capital(String(found.label ?? best.label))}: ${certainty(best.score)}, ${percent(found.score ?? best.score)}.`;
  }

  showValue({ value, unit }) {
    this.bars.show([]);
    const shown = Number(value.toPrecision(5)).toLocaleString("en");
    this.value.textContent = shown;
    return `${shown}${unit ? ` ${unit}` : ""}.`;
  }
}

/** A task's examples, one click away. */
export function exampleChips(task, take) {
  if (!task.examples?.length) return null;
  return h(
    "div",
    { class: "chips", role: "group", "aria-label": "Examples" },
    task.examples.map((each) =>
      h(
        "button",
        { type: "button", class: "chip", onclick: () => take(each.request) },
        each.title,
      ),
    ),
  );
}
