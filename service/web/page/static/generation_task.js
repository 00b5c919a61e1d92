// A model that declares that it draws: label, seed, temperature, how many.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { Slider } from "./slider.js";
import { calm, h, newest, several, unique } from "./dom.js";
import { pixels } from "./garment.js";
import { remember } from "./history.js";
import { exampleChips } from "./task_answer.js";

/** A call that works. */
export async function example({ name }) {
  return { path: `v1/generate/${name}`, json: { count: 1, seed: 7 } };
}

/** The nodes of the card. */
export function build({ name, detail, version }) {
  const { task } = detail;
  const answer = new Answer();
  const sheet = h("div", { class: "garments" });
  answer.view.append(sheet);
  const draw = newest(read, 20);
  const keep = calm((...given) => remember(...given), 1500);
  const labels = version.contract?.labels ?? [];
  const [label, seed] = [unique("label"), unique("seed")];
  const chosen = h(
    "select",
    { id: label, onchange: draw },
    h("option", { value: "" }, "all in turn"),
    labels.map((each) => h("option", {}, each)),
  );
  const number = h("input", {
    type: "number",
    id: seed,
    min: 0,
    step: 1,
    value: 7,
    oninput: draw,
  });
  const many = new Slider("How many", { min: 1, max: 64, step: 1, value: 12 }, draw);
  const heat = new Slider(
    "Temperature",
    { min: 0, max: 1.5, step: 0.05, value: task.temperature },
    draw,
  );

  async function read(request) {
    const json = { count: many.value, seed: Number(number.value), temperature: heat.value };
    if (chosen.value) json.label = chosen.value;
    try {
      const result = await ask({
        path: `v1/generate/${name}`,
        json: request?.count ? request : json,
      });
      const { images } = result.data;
      const sentence = `${several(images.length, "image")}, from seed ${result.data.seed}.`;
      sheet.replaceChildren(
        ...images.map((each) =>
          h("img", { src: pixels(each), alt: each.label ?? "drawn", class: "pixels" }),
        ),
      );
      answer.show(result, sentence);
      keep(name, sentence);
    } catch (error) {
      answer.fail(error);
    }
  }

  draw();
  const form = [
    labels.length > 0 &&
      h("div", { class: "field" }, h("label", { for: label }, "Label"), chosen),
    h("div", { class: "field" }, h("label", { for: seed }, "Seed"), number),
    many.node,
    heat.node,
  ];
  return [h("div", { class: "input" }, exampleChips(task, draw), form), answer.node];
}
