// Digits: draw, and see ten probabilities move.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { Columns } from "./bars.js";
import { calm, certainty, h, newest } from "./dom.js";
import { remember } from "./history.js";
import { Pad } from "./pad.js";
import { fetchSample, PictureInput } from "./picture_input.js";

const PATH = "v1/predict/digits";
const PAUSE_MS = 40; // between two looks at a drawing that grows
const SAMPLES = [
  { name: "shadow", title: "Photo, in shadow" },
  { name: "blackboard", title: "Blackboard" },
  { name: "table", title: "Paper on a table" },
];

/** A call that works. */
export async function example() {
  const file = await fetchSample("shadow");
  return { path: PATH, file, name: "digit.webp" };
}

/** The nodes of the card. */
export function build() {
  const play = new Digits();
  return [play.pad.node, play.output, play.pictures.node]; // a phone shows them in this order
}

class Digits {
  constructor() {
    this.answer = new Answer();
    this.digit = h("p", { class: "numeral", "aria-hidden": "true" }, "?");
    this.columns = new Columns([..."0123456789"], "Probability of each digit");
    this.seen = h("div", { class: "seen" });
    this.warning = h("p", { class: "note" });
    this.many = h("input", { type: "checkbox", onchange: () => this.again() });
    this.answer.view.append(
      h("div", { class: "verdict" }, this.digit, this.seen),
      this.warning,
      this.columns.node,
      h("label", { class: "row" }, this.many, "There are several: read the number"),
    );
    this.pad = new Pad({
      label: "Drawing area",
      onchange: (pad) => this.look(pad),
      onclear: () => this.clear(),
    });
    this.pictures = new PictureInput({
      onpicture: (file, name) => this.read(file, name),
      samples: SAMPLES,
      shown: this.pad,
    });
    this.output = this.answer.node;
    this.clear();
    this.look = newest((pad) => this.readPad(pad), PAUSE_MS);
    this.keep = calm((...given) => remember(...given), 1500);
  }

  clear() {
    this.last = null;
    this.digit.textContent = "?";
    this.warning.textContent = "";
    this.columns.clear();
    this.seen.replaceChildren();
    this.answer.problem.replaceChildren();
    this.answer.say("Draw a digit, big or small, anywhere in the box.");
  }

  async readPad(pad) {
    const file = await pad.file();
    if (file) await this.read(file, "drawing.png");
  }

  async read(file, name) {
    this.last = [file, name];
    const query = { [this.many.checked ? "many" : "prepared"]: true };
    try {
      const result = await ask({ path: PATH, query, file, name });
      if (this.pad.empty) return;
      if (query.many) this.showNumber(result);
      else this.show(result);
    } catch (error) {
      this.answer.fail(error);
      this.pad.frame([]);
    }
  }

  /** Reads the same picture anew, one digit of it or all. */
  again() {
    if (this.last) this.read(...this.last);
  }

  showNumber(result) {
    const [found] = result.data.predictions;
    this.digit.textContent = found.number || "?";
    this.columns.clear();
    this.seen.replaceChildren();
    this.warning.textContent = found.warning ?? "";
    const digits = found.digits.length;
    this.answer.show(result, digits ? `That is ${found.number}.` : "No digit was found.");
    this.pad.frame(found.digits.map((each) => each.box).filter(Boolean));
    this.keep("digits", `The number ${found.number}`);
  }

  show(result) {
    const [found] = result.data.predictions;
    this.digit.textContent = found.digit;
    this.columns.show(found.probabilities);
    this.warning.textContent = found.warning ?? "";
    this.answer.show(result, sentence(found));
    this.pad.frame(found.box ? [found.box] : []);
    const seen = found.prepared && `data:image/png;base64,${found.prepared}`;
    this.seen.replaceChildren(...(seen ? [prepared(seen)] : []));
    this.keep("digits", `A ${found.digit}, ${certainty(found.confidence)}`, seen);
  }
}

function sentence(found) {
  const order = found.probabilities
    .map((_, digit) => digit)
    .sort((a, b) => found.probabilities[b] - found.probabilities[a]);
  if (found.no_digit > 0.5) return "That is hardly a digit.";
  if (found.confidence < 0.6) return `Torn between ${order[0]} and ${order[1]}.`;
  return `That is a ${found.digit}: ${certainty(found.confidence)}.`;
}

function prepared(address) {
  const image = h("img", {
    src: address,
    alt: "The digit as the model sees it",
    width: 84,
    height: 84,
    class: "pixels",
  });
  return h("figure", {}, image, h("figcaption", {}, "What the model sees: 28 × 28"));
}
