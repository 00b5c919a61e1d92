// A model that declares that it writes: a beginning, a seed; the text comes as it is written.

import { follow } from "./api.js";
import { Answer } from "./answer.js";
import { Slider } from "./slider.js";
import { capital, h, several, unique, words } from "./dom.js";
import { remember } from "./history.js";
import { exampleChips } from "./task_answer.js";

const LONGEST = 1000; // on the page, where nobody waits for more
const ENDS = { length: "as long as was asked", stop: "at its end", deadline: "out of time" };

/** Where a model writes. */
function pathOf(name, task) {
  return `v1/generate/${task.writes ?? name}`;
}

/** A call that works. */
export async function example({ name, detail: { task } }) {
  const [first] = task.examples ?? [];
  return { path: pathOf(name, task), json: first?.request ?? { length: 80, seed: 7 } };
}

/** The nodes of the card. */
export function build({ name, detail: { task } }) {
  const answer = new Answer();
  const text = h("p", { class: "written", "aria-label": "The text" });
  answer.view.append(text);
  answer.say("It writes when you ask it to.");
  const [start, seed, control] = [unique("prompt"), unique("seed"), unique("control")];
  const prompt = h("textarea", { id: start, rows: 2, maxlength: task.max_prompt });
  const number = h("input", { type: "number", id: seed, min: 0, step: 1, value: 7 });
  const most = Math.min(task.max_length, LONGEST);
  const nothing = () => undefined;
  const length = new Slider(
    "Length",
    { min: 1, max: most, step: 1, value: Math.min(task.default_length, most) },
    nothing,
  );
  const heat = new Slider(
    "Temperature",
    { min: 0, max: 2, step: 0.05, value: task.default_temperature },
    nothing,
  );
  const mood =
    task.control &&
    h(
      "select",
      { id: control },
      task.control.words.map((word) =>
        h("option", { selected: word === task.control.default }, word),
      ),
    );
  const button = h("button", { type: "button", onclick: () => act() }, "Write");
  let stopper = null;

  function asked() {
    const json = {
      prompt: prompt.value,
      length: length.value,
      temperature: heat.value,
      seed: Number(number.value),
    };
    return mood ? { ...json, [task.control.name]: mood.value } : json;
  }

  function act(request) {
    if (stopper) stopper.abort();
    else write(request ?? asked());
  }

  async function write(json) {
    const call = { path: pathOf(name, task), json };
    const began = performance.now();
    stopper = new AbortController();
    button.textContent = "Stop";
    text.replaceChildren(h("span", { class: "given" }, json.prompt ?? ""));
    let end = "stopped";
    try {
      await follow(
        call,
        (kind, { index, text: piece, finish_reason }) => {
          if (index === 0 && piece) text.append(piece);
          if (index === 0 && finish_reason) end = ENDS[finish_reason] ?? finish_reason;
        },
        stopper.signal,
      );
      show(call, began, end);
    } catch (error) {
      if (error.name === "AbortError") show(call, began, end);
      else answer.fail(error);
    }
    stopper = null;
    button.textContent = "Write";
  }

  function show(call, began, end) {
    const total = performance.now() - began;
    const written = [...text.textContent].length - [...(call.json.prompt ?? "")].length;
    const sentence = `${several(written, "character")}, ${end}.`;
    answer.show({ call, timing: { stages: {}, batch: null, total, rest: total } }, sentence);
    remember(name, sentence, null, text.textContent.slice(0, 80));
  }

  const take = (request) => {
    prompt.value = request.prompt ?? "";
    if (request.seed !== undefined) number.value = request.seed;
    if (mood && request[task.control.name]) mood.value = request[task.control.name];
    if (!stopper) write({ ...asked(), ...request, count: 1 });
  };
  const field = (id, label, input) =>
    h("div", { class: "field" }, h("label", { for: id }, label), input);
  const form = [
    field(start, "How it begins", prompt),
    mood && field(control, capital(words(task.control.name)), mood),
    field(seed, "Seed", number),
    length.node,
    heat.node,
    h("div", { class: "row" }, button),
  ];
  return [h("div", { class: "input" }, exampleChips(task, take), form), answer.node];
}
