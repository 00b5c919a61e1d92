// A slider with its name and its value.

import { h, unique } from "./dom.js";

export class Slider {
  /**
   * @param {string} label Its name.
   * @param {Object} range `min`, `max`, `step`, `value`.
   * @param {function()} onchange Called while it moves.
   * @param {function(number): string} say Its value in words.
   */
  constructor(label, range, onchange, say = String) {
    const id = unique("slider");
    this.input = h("input", { type: "range", id, ...range });
    this.output = h("output", { for: id }, say(range.value));
    this.input.addEventListener("input", () => {
      this.output.textContent = say(this.value);
      onchange();
    });
    this.node = h(
      "div",
      { class: "slider" },
      h("div", { class: "row spread" }, h("label", { for: id }, label), this.output),
      this.input,
    );
  }

  get value() {
    return Number(this.input.value);
  }
}
