// A picture as it was sent, and the part of it that a model looks at.

import { h } from "./dom.js";

const THUMBNAIL = 48; // pixels

/** A frame that shows pictures. */
export class Viewer {
  /** @param {Object} options `middle`, the side of the square that is looked at, of the
   *   short side; `empty`, what is said while there is none. */
  constructor({ middle = null, empty }) {
    this.image = h("img", {
      alt: "Your picture",
      hidden: true,
      onload: () => this.place(),
      onerror: () => this.hide(),
    });
    this.box = h("div", { class: "found", "aria-hidden": "true", hidden: true });
    this.hint = h("p", { class: "hint" }, empty);
    this.middle = middle;
    this.node = h(
      "div",
      { class: "viewer" },
      h("div", { class: "held" }, this.image, this.box),
      this.hint,
    );
  }

  show(address) {
    this.image.src = address;
    this.image.hidden = false;
    this.hint.hidden = true;
  }

  hide() {
    this.image.hidden = this.box.hidden = true;
    this.hint.hidden = false;
    this.hint.textContent =
      "This browser cannot show that file; the server may read it all the same.";
  }

  place() {
    if (!this.middle) return;
    const { naturalWidth: width, naturalHeight: height } = this.image;
    const side = Math.min(width, height) * this.middle;
    const place = {
      left: (width - side) / 2 / width,
      top: (height - side) / 2 / height,
      width: side / width,
      height: side / height,
    };
    for (const [name, share] of Object.entries(place)) this.box.style[name] = `${share * 100}%`;
    this.box.hidden = false;
  }
}

/** A small square of a picture as a data: URL; null where the browser cannot read it. */
export async function thumbnail(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const side = Math.min(bitmap.width, bitmap.height);
    const canvas = h("canvas", { width: THUMBNAIL, height: THUMBNAIL });
    const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
    canvas
      .getContext("2d")
      .drawImage(bitmap, left, top, side, side, 0, 0, THUMBNAIL, THUMBNAIL);
    return canvas.toDataURL("image/jpeg", 0.6);
  } catch {
    return null;
  }
}
