// Mammogram: four findings, and a probability on a calibrated scale. No diagnosis.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { Dots } from "./bars.js";
import { calm, capital, h, newest, percent, unique } from "./dom.js";
import { remember } from "./history.js";

const PATH = "v1/predict/mammogram";
const UNKNOWN = "unknown";
const EXAMPLES = [
  [
    "Irregular, spiculated",
    { age: 57, shape: "irregular", margin: "spiculated", density: "low" },
  ],
  [
    "Round, circumscribed",
    { age: 35, shape: "round", margin: "circumscribed", density: "low" },
  ],
  ["On the edge", { age: 58, shape: "oval", margin: "circumscribed", density: "low" }],
];

/** A call that works. */
export async function example() {
  return { path: PATH, json: EXAMPLES[0][1] };
}

/** The nodes of the card. */
export function build({ version }) {
  const play = new Mammogram(version.manifest.constants);
  return [play.input, play.output];
}

class Mammogram {
  constructor(constants) {
    this.constants = constants;
    this.words = Object.entries(constants.words).map(
      ([name, known]) => new Finding(name, known, () => this.look()),
    );
    this.input = h(
      "div",
      { class: "input" },
      h(
        "div",
        { class: "chips", role: "group", "aria-label": "Examples" },
        EXAMPLES.map(([title, mass]) =>
          h("button", { type: "button", class: "chip", onclick: () => this.set(mass) }, title),
        ),
      ),
      this.ageRow(),
      this.words.map((each) => each.node),
    );
    this.answer = new Answer();
    this.scale = new Scale(constants);
    this.dots = new Dots();
    this.notice = h("p", { class: "notice" }, "An aid to study, no diagnosis.");
    this.label = h("p", { class: "note" });
    this.answer.view.append(
      this.scale.node,
      h("div", { class: "hundred" }, this.dots.node, this.label),
      this.notice,
    );
    this.output = this.answer.node;
    this.look = newest(() => this.read(), 30);
    this.keep = calm((...given) => remember(...given), 1500);
    this.set(EXAMPLES[0][1]);
  }

  ageRow() {
    const id = unique("age");
    const changed = () => {
      this.shown.textContent = this.known.checked ? `${this.age.value} years` : UNKNOWN;
      this.look();
    };
    this.age = h("input", {
      type: "range",
      id,
      min: 18,
      max: 100,
      step: 1,
      oninput: () => {
        this.known.checked = true;
        changed();
      },
    });
    this.known = h("input", { type: "checkbox", checked: true, onchange: changed });
    this.shown = h("output", { for: id });
    return h(
      "div",
      { class: "slider" },
      h("div", { class: "row spread" }, h("label", { for: id }, "Age"), this.shown),
      this.age,
      h("label", { class: "check" }, this.known, h("span", {}, "is known")),
    );
  }

  set(mass) {
    this.age.value = mass.age;
    this.known.checked = true;
    this.shown.textContent = `${mass.age} years`;
    for (const each of this.words) each.word = mass[each.name] ?? UNKNOWN;
    this.look();
  }

  async read() {
    const mass = { age: this.known.checked ? Number(this.age.value) : UNKNOWN };
    for (const each of this.words) mass[each.name] = each.word;
    try {
      const result = await ask({ path: PATH, json: mass });
      this.show(result, result.data.predictions[0]);
    } catch (error) {
      this.answer.fail(error);
    }
  }

  show(result, found) {
    const times = Math.round(found.probability * 100);
    this.answer.show(
      result,
      `Of 100 masses like this one, about ${times} ${times === 1 ? "was" : "were"} malignant.`,
    );
    this.scale.show(found.probability);
    this.dots.show(found.probability);
    const { threshold, sensitivity, specificity } = found.operating_point;
    const side = found.abstain
      ? "It abstains: too near to the line, or too little known, for the label to mean anything."
      : `${capital(found.label)}, by the line at ${percent(threshold, 0)}.`;
    this.label.textContent = `${side} That line finds ${Math.round(sensitivity * 100)} of 100 malignant masses, and calls ${Math.round((1 - specificity) * 100)} of 100 benign ones malignant too.`;
    this.notice.textContent = found.warning
      ? `${capital(found.warning)}. ${found.notice}`
      : found.notice;
    this.keep("mammogram", `${times} in 100, ${found.abstain ? "abstains" : found.label}`);
  }
}

/** A finding that is one of some words. */
class Finding {
  constructor(name, known, onchange) {
    this.name = name;
    const group = unique(name);
    this.inputs = [...known, UNKNOWN].map((word) =>
      h("input", { type: "radio", name: group, value: word, onchange }),
    );
    this.node = h(
      "fieldset",
      { class: "words" },
      h("legend", {}, capital(name)),
      h(
        "div",
        { class: "choices" },
        this.inputs.map((input) => h("label", {}, input, h("span", {}, input.value))),
      ),
    );
  }

  get word() {
    return this.inputs.find((each) => each.checked)?.value ?? UNKNOWN;
  }

  set word(word) {
    this.inputs.find((each) => each.value === word).checked = true;
  }
}

/** Probabilities from 0 to 100 %, the line where malignant begins, the band around it. */
class Scale {
  constructor({ threshold, abstain: [lowest, highest] }) {
    this.needle = h("i", { class: "needle" });
    const band = h("i", { class: "band", title: "abstains" });
    const line = h("i", { class: "line" });
    const label = h("span", { class: "line-label" }, `line ${percent(threshold, 0)}`);
    band.style.left = `${lowest * 100}%`;
    band.style.width = `${(highest - lowest) * 100}%`;
    line.style.left = label.style.left = `${threshold * 100}%`;
    this.value = h("b", { class: "needle-label" });
    this.node = h(
      "div",
      { class: "scale", "aria-hidden": "true" },
      this.value,
      h("div", { class: "ruler" }, band, line, this.needle),
      label,
      h(
        "div",
        { class: "row spread ticks" },
        ["0 %", "25 %", "50 %", "75 %", "100 %"].map((each) => h("span", {}, each)),
      ),
    );
  }

  show(probability) {
    this.needle.style.left = `${probability * 100}%`;
    this.value.style.left = `${Math.min(94, Math.max(4, probability * 100))}%`;
    this.value.textContent = percent(probability);
  }
}
