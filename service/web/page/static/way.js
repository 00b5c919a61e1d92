// The way from one garment to another, as a slider.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { h, unique } from "./dom.js";
import { asEnd, pixels } from "./garment.js";

const PATH = "v1/interpolate/clothing";
const STEPS = 33; // both ends among them

/** Two ends, and what lies between. */
export class Way {
  constructor() {
    const id = unique("way");
    this.answer = new Answer();
    this.image = h("img", { class: "pixels between", alt: "", width: 168, height: 168 });
    this.slider = h("input", {
      type: "range",
      id,
      min: 0,
      max: STEPS - 1,
      step: 1,
      value: (STEPS - 1) / 2,
      oninput: () => this.step(),
    });
    this.ends = [
      h("img", { class: "pixels", alt: "" }),
      h("img", { class: "pixels", alt: "" }),
    ];
    this.answer.view.append(
      h("div", { class: "way" }, this.ends[0], this.image, this.ends[1]),
      h("label", { for: id, class: "unseen" }, "Between the two garments"),
      this.slider,
    );
    this.node = h(
      "div",
      { class: "further" },
      h("h3", {}, "From one garment to another"),
      this.answer.node,
    );
    this.next = 1;
    this.garments = [];
  }

  /** Garments were drawn: until somebody chooses, the way is between the first and another. */
  offer(images) {
    if (this.chosen || images.length < 2) return;
    const other = images.find((each) => each.category !== images[0].category) ?? images.at(-1);
    this.garments = [images[0], other];
    this.walk();
  }

  /** Takes a garment as the one end, and the next one as the other. */
  take(garment) {
    this.chosen = true;
    this.next = 1 - this.next;
    this.garments[this.next] = garment;
    if (this.garments[0] && this.garments[1]) this.walk();
  }

  async walk() {
    const [from, to] = this.garments;
    try {
      const result = await ask({
        path: PATH,
        json: { from: asEnd(from), to: asEnd(to), steps: STEPS },
      });
      this.frames = result.data.frames;
      this.ends.forEach((image, index) => {
        image.src = pixels(this.garments[index]);
        image.alt = this.garments[index].category;
      });
      this.answer.show(result, `From ${from.category} to ${to.category}, in ${STEPS} steps.`);
      this.step();
    } catch (error) {
      this.answer.fail(error);
    }
  }

  step() {
    if (!this.frames) return;
    const frame = this.frames[Number(this.slider.value)];
    const shares = Object.entries(frame.categories).map(
      ([name, share]) => `${Math.round(share * 100)} % ${name}`,
    );
    this.image.src = pixels(frame);
    this.image.alt = shares.join(", ");
    this.slider.setAttribute("aria-valuetext", shares.join(", "));
  }
}
