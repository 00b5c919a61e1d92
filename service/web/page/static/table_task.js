// A model that declares a table: a form of its fields.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { calm, capital, h, newest, unique, words } from "./dom.js";
import { remember } from "./history.js";
import { exampleChips, TaskAnswer } from "./task_answer.js";

const FEW_WORDS = 5; // which stand side by side; more are a list to choose from

/** A call that works: the first example, or what stands in an untouched form. */
export async function example({ name, detail }) {
  const [first] = detail.task.examples ?? [];
  const record = Object.fromEntries(
    detail.task.fields.map((field) => [field.name, usual(field)]),
  );
  return { path: `v1/predict/${name}`, json: first?.request ?? { record } };
}

/** The nodes of the card. */
export function build({ name, detail }) {
  const { task } = detail;
  const answer = new Answer();
  const shown = new TaskAnswer();
  answer.view.append(...shown.nodes);
  const keep = calm((...given) => remember(...given), 1500);
  const look = newest(read, 40);
  const fields = task.fields.map((field) => new Field(field, look));

  async function read() {
    const record = Object.fromEntries(
      fields.filter((each) => each.value !== null).map((each) => [each.name, each.value]),
    );
    try {
      const result = await ask({ path: `v1/predict/${name}`, json: { record } });
      const sentence = shown.show(result.data.predictions[0]);
      answer.show(result, sentence);
      keep(name, sentence);
    } catch (error) {
      answer.fail(error);
    }
  }

  function fill(request) {
    const record = request.record ?? request.records?.[0] ?? request;
    for (const each of fields) each.value = record[each.name] ?? null;
    look();
  }

  const chips = exampleChips(task, fill);
  if (task.examples?.length) fill(task.examples[0].request);
  else look();
  return [
    h(
      "div",
      { class: "input" },
      chips,
      h(
        "div",
        { class: "form" },
        fields.map((each) => each.node),
      ),
    ),
    answer.node,
  ];
}

/** What a field is where nobody has said anything: in the middle of what it may be. */
function usual({ kind, minimum, maximum, words: known, optional }) {
  if (kind === "category") return known[0];
  if (kind === "boolean") return false;
  if (optional) return null;
  const middle =
    minimum !== null && maximum !== null ? (minimum + maximum) / 2 : (minimum ?? maximum ?? 0);
  return kind === "integer" ? Math.round(middle) : middle;
}

/** One field of the form, by native controls. */
class Field {
  constructor(field, onchange) {
    this.name = field.name;
    this.field = field;
    const choice =
      field.kind === "boolean"
        ? [
            ["yes", true],
            ["no", false],
          ]
        : field.words.map((word) => [word, word]);
    const few = choice.length > 0 && choice.length <= FEW_WORDS;
    if (field.kind === "number" || field.kind === "integer") this.makeNumber(field, onchange);
    else if (few) this.makeRadios(choice, onchange);
    else this.makeList(choice, onchange);
    this.value = usual(field);
  }

  makeNumber({ minimum, maximum, kind, optional }, onchange) {
    const id = unique("field");
    this.input = h("input", {
      type: "number",
      id,
      min: minimum,
      max: maximum,
      step: kind === "integer" ? 1 : "any",
      placeholder: optional ? "not known" : "",
      oninput: onchange,
    });
    this.read = () => (this.input.value === "" ? null : Number(this.input.value));
    this.write = (value) => (this.input.value = value ?? "");
    this.node = this.labelled(id);
  }

  makeRadios(choice, onchange) {
    const group = unique("field");
    const all = this.field.optional ? [...choice, ["not known", null]] : choice;
    const inputs = all.map(([, value]) =>
      Object.assign(h("input", { type: "radio", name: group, onchange }), { means: value }),
    );
    this.read = () => inputs.find((each) => each.checked)?.means ?? null;
    this.write = (value) => inputs.forEach((each) => (each.checked = each.means === value));
    this.node = h(
      "fieldset",
      { class: "field" },
      h("legend", {}, this.title()),
      h(
        "div",
        { class: "choices" },
        all.map(([word], index) => h("label", {}, inputs[index], h("span", {}, word))),
      ),
      this.tip(),
    );
  }

  makeList(choice, onchange) {
    const id = unique("field");
    const all = this.field.optional ? [["not known", null], ...choice] : choice;
    this.input = h(
      "select",
      { id, onchange },
      all.map(([word]) => h("option", {}, word)),
    );
    this.read = () => all[this.input.selectedIndex][1];
    this.write = (value) =>
      (this.input.selectedIndex = Math.max(
        0,
        all.findIndex((each) => each[1] === value),
      ));
    this.node = this.labelled(id);
  }

  labelled(id) {
    const label = h("label", { for: id }, this.title());
    return h("div", { class: "field" }, label, this.input, this.tip());
  }

  title() {
    return `${capital(words(this.name))}${this.field.unit ? `, ${this.field.unit}` : ""}`;
  }

  tip() {
    return this.field.description ? h("p", { class: "tip" }, this.field.description) : null;
  }

  get value() {
    return this.read();
  }

  set value(value) {
    this.write(value);
  }
}
