// A sheet to draw on, with finger, pen or mouse; or on which a picture is shown.

import { h } from "./dom.js";

const SIDE = 320; // pixels of the drawing
const STROKE = 22; // their width
const PAPER = "#fffefa";
const INK = "#1d1a16";

/** A square of paper. */
export class Pad {
  /**
   * @param {Object} options `label`, for who cannot see it; `onchange(pad)`, when there is
   *   more ink; `onclear()`.
   */
  constructor({ label, onchange, onclear }) {
    this.onchange = onchange;
    this.onclear = onclear;
    this.canvas = h("canvas", {
      width: SIDE,
      height: SIDE,
      role: "img",
      "aria-label": `${label}. Without a pointer, choose a picture instead.`,
    });
    this.brush = this.canvas.getContext("2d");
    this.boxes = h("div", { "aria-hidden": "true" });
    this.hint = h("p", { class: "hint", "aria-hidden": "true" }, "Draw here");
    this.picture = h("img", { class: "shown", alt: "Your picture", hidden: true });
    this.sheet = h("div", { class: "sheet" }, this.canvas, this.picture, this.boxes, this.hint);
    this.wipe = h(
      "button",
      { type: "button", class: "quiet clear", onclick: () => this.clear() },
      "Clear",
    );
    this.node = h("div", { class: "pad" }, this.sheet, this.wipe);
    this.blank();
    this.listen();
  }

  listen() {
    this.canvas.addEventListener("pointerdown", (event) => this.begin(event));
    this.canvas.addEventListener("pointermove", (event) => this.go(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(end, () => (this.last = null));
    }
  }

  begin(event) {
    if (event.button) return;
    if (!this.picture.hidden) this.clear();
    this.canvas.setPointerCapture(event.pointerId);
    this.last = this.middle = this.point(event);
    this.stroke(this.last);
    this.hint.hidden = true;
    this.empty = false;
    this.frame([]);
    this.onchange(this);
  }

  go(event) {
    if (!this.last) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const each of passed.length ? passed : [event]) this.stroke(this.point(each));
    this.onchange(this);
  }

  point(event) {
    const { left, top, width } = this.canvas.getBoundingClientRect();
    const scale = SIDE / width;
    return { x: (event.clientX - left) * scale, y: (event.clientY - top) * scale };
  }

  /** Curves from the middle of one step to the middle of the next: no corners. */
  stroke(point) {
    const middle = { x: (this.last.x + point.x) / 2, y: (this.last.y + point.y) / 2 };
    this.brush.beginPath();
    this.brush.moveTo(this.middle.x, this.middle.y);
    this.brush.quadraticCurveTo(this.last.x, this.last.y, middle.x, middle.y);
    this.brush.lineTo(middle.x + 0.01, middle.y); // a dot is a line too
    this.brush.stroke();
    this.last = point;
    this.middle = middle;
  }

  blank() {
    Object.assign(this.brush, {
      fillStyle: PAPER,
      strokeStyle: INK,
      lineWidth: STROKE,
      lineCap: "round",
      lineJoin: "round",
    });
    this.brush.fillRect(0, 0, SIDE, SIDE);
    this.empty = true;
  }

  clear() {
    this.blank();
    this.hint.hidden = false;
    this.picture.hidden = true;
    this.frame([]);
    this.onclear();
  }

  /** Shows a picture in place of a drawing. */
  show(address) {
    this.blank();
    this.empty = false;
    this.hint.hidden = true;
    this.picture.src = address;
    this.picture.hidden = !address;
    this.frame([]);
  }

  /** @param {Object[]} boxes `left`, `top`, `width`, `height`, in pixels of what is shown. */
  frame(boxes) {
    while (this.boxes.childElementCount > boxes.length) this.boxes.lastChild.remove();
    while (this.boxes.childElementCount < boxes.length)
      this.boxes.append(h("div", { class: boxes.length > 1 ? "found one" : "found" }));
    boxes.forEach((box, nth) => this.place(this.boxes.children[nth], box));
  }

  place(node, box) {
    const [width, height] = this.picture.hidden
      ? [SIDE, SIDE]
      : [this.picture.naturalWidth, this.picture.naturalHeight];
    const longer = Math.max(width, height);
    const place = {
      ...box,
      left: (longer - width) / 2 + box.left,
      top: (longer - height) / 2 + box.top,
    };
    for (const [side, value] of Object.entries(place))
      node.style[side] = `${(100 * value) / longer}%`;
  }

  /** The drawing as a PNG; null while there is none. */
  file() {
    if (this.empty || !this.picture.hidden) return null;
    return new Promise((done) => this.canvas.toBlob(done, "image/png"));
  }
}
