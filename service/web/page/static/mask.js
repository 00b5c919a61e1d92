// The class of every pixel, each class in a colour of its own.

import { h } from "./dom.js";

const COLOURS = [
  "#8a8072",
  "#c13a22",
  "#0d6e5b",
  "#b9790f",
  "#2d6a9f",
  "#7a4b9a",
  "#d98aa8",
  "#5b7f1f",
];

/** A picture of classes, and which colour is which. */
export class Mask {
  /** @param {string[]} labels By the number that stands in the picture's pixels. */
  constructor(labels) {
    this.labels = labels;
    this.canvas = h("canvas", { class: "mask pixels", role: "img" });
    this.legend = h("ul", { class: "legend" });
    this.node = h("div", { hidden: true }, this.canvas, this.legend);
  }

  /** @param {Object} found `mask`, a PNG in base64, and `shares` of its classes. */
  async show({ mask, shares }) {
    const image = h("img", { src: `data:image/png;base64,${mask}` });
    await image.decode();
    this.paint(image);
    const seen = shares.filter(({ score }) => score > 0);
    this.canvas.setAttribute(
      "aria-label",
      `Classes of its pixels: ${seen.map(({ label }) => label).join(", ")}`,
    );
    this.legend.replaceChildren(...seen.map(({ label }) => this.key(label)));
  }

  paint(image) {
    const { naturalWidth: width, naturalHeight: height } = image;
    Object.assign(this.canvas, { width, height });
    const brush = this.canvas.getContext("2d", { willReadFrequently: true });
    brush.drawImage(image, 0, 0);
    const { data } = brush.getImageData(0, 0, width, height);
    for (let pixel = 0; pixel < width * height; pixel += 1) {
      brush.fillStyle = colourOf(data[4 * pixel]);
      brush.fillRect(pixel % width, Math.floor(pixel / width), 1, 1);
    }
  }

  key(label) {
    const dot = h("i", { class: "dot", "aria-hidden": "true" });
    dot.style.background = colourOf(this.labels.indexOf(label));
    return h("li", {}, dot, label);
  }
}

function colourOf(number) {
  return COLOURS[Math.max(0, number) % COLOURS.length];
}
