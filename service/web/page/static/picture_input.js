// Pictures from wherever they are: dropped, pasted, chosen, photographed, or ours.

import { ROOT } from "./api.js";
import { Camera } from "./camera.js";
import { h, unique } from "./dom.js";

const inputs = new Set();

/** A place that takes pictures. */
export class PictureInput {
  /**
   * @param {Object} options `onpicture(file, name)`; `samples`, each with `name` and
   *   `title`; `shown`, with `show(address)`, where the picture is shown, and `node`, which
   *   takes drops; `accept`, media types.
   */
  constructor({ onpicture, samples = [], shown, accept = "image/*", noun = "picture" }) {
    this.onpicture = onpicture;
    this.shown = shown;
    const id = unique("file");
    this.file = h("input", {
      type: "file",
      id,
      accept,
      class: "unseen",
      onchange: () => this.take(this.file.files[0]),
    });
    const choose = h("label", { for: id, class: "button" }, `Choose a ${noun}`);
    this.camera =
      accept === "image/*" ? new Camera((file) => this.take(file, "photo.jpg")) : null;
    this.node = h(
      "div",
      { class: "pictures" },
      h("div", { class: "row" }, this.file, choose, this.camera?.buttons),
      this.camera?.dialog,
      h(
        "p",
        { class: "tip" },
        `… or drop ${noun === "picture" ? "or paste one" : "one"} here.`,
      ),
      samples.length > 0 &&
        h(
          "div",
          { class: "samples", role: "group", "aria-label": "Samples" },
          samples.map((each) => this.sample(each)),
        ),
    );
    inputs.add(this);
    for (const zone of [this.node, shown?.node]) if (zone) this.accept(zone);
  }

  sample({ name, title }) {
    const image = h("img", {
      src: addressOf(name),
      alt: "",
      width: 72,
      height: 54,
      loading: "lazy",
    });
    const take = async () => this.take(await fetchSample(name), `${name}.webp`);
    return h(
      "button",
      { type: "button", class: "sample", onclick: take },
      image,
      h("span", {}, title),
    );
  }

  accept(zone) {
    zone.addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      this.take(event.dataTransfer.files[0]);
    });
  }

  take(file, name = file?.name) {
    this.file.value = "";
    if (!file) return;
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(file);
    this.shown?.show(this.address);
    this.onpicture(file, name);
  }

  /** How far the middle of this place is from the middle of the window, in pixels. */
  get distance() {
    const { top, height } = this.node.getBoundingClientRect();
    return Math.abs(top + height / 2 - innerHeight / 2);
  }
}

function addressOf(name) {
  return new URL(`page/sample-${name}.webp`, ROOT);
}

/** One of our own pictures, as a file. */
export async function fetchSample(name) {
  const response = await fetch(addressOf(name));
  return response.blob();
}

// What is pasted goes to the place nearest to the middle of the window.
document.addEventListener("paste", (event) => {
  const file = event.clipboardData?.files[0];
  const there = [...inputs].filter((each) => each.node.isConnected);
  const [nearest] = there.sort((one, other) => one.distance - other.distance);
  if (file && nearest) nearest.take(file);
});
