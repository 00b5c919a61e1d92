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
    this.answer.view.append(
      h("div", { class: "verdict" }, this.digit, this.seen),
      this.columns.node,
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
    this.digit.textContent = "?";
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
    try {
      const result = await ask({ path: PATH, query: { prepared: true }, file, name });
      if (!this.pad.empty) this.show(result);
    } catch (error) {
      this.answer.fail(error);
      this.pad.frame(null);
    }
  }

  show(result) {
    const [found] = result.data.predictions;
    this.digit.textContent = found.digit;
    this.columns.show(found.probabilities);
    this.answer.show(result, sentence(found));
    this.pad.frame(found.box ?? null);
    const seen = found.prepared && `data:image/png;base64,${found.prepared}`;
    this.seen.replaceChildren(...(seen ? [prepared(seen)] : []));
    this.keep("digits", `A ${found.digit}, ${certainty(found.confidence)}`, seen);
  }
}

function sentence(found) {
  const order = found.probabilities
    .map((_, digit) => digit)
    .sort((a, b) => found.probabilities[b] - found.probabilities[a]);
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
