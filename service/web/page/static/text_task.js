// A model that declares a task on texts: type, and see its answer change.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { calm, h, newest, unique } from "./dom.js";
import { remember } from "./history.js";
import { exampleChips, TaskAnswer } from "./task_answer.js";

/** A call that works. */
export async function example({ name, detail }) {
  const [first] = detail.task.examples ?? [];
  return { path: `v1/predict/${name}`, json: first?.request ?? { text: "a text" } };
}

/** The nodes of the card. */
export function build({ name, detail }) {
  const { task } = detail;
  const answer = new Answer();
  const shown = new TaskAnswer();
  answer.view.append(...shown.nodes);
  answer.say("Write something, and it answers as you go.");
  const id = unique("text");
  const keep = calm((...given) => remember(...given), 1800);
  const look = newest(read, 90);
  const typed = () => text.value.trim() && look();
  const text = h("textarea", { id, rows: 5, maxlength: task.max_characters, oninput: typed });

  async function read() {
    try {
      const result = await ask({ path: `v1/predict/${name}`, json: { text: text.value } });
      const sentence = shown.show(result.data.predictions[0]);
      answer.show(result, sentence);
      keep(name, sentence, null, text.value);
    } catch (error) {
      answer.fail(error);
    }
  }

  const take = (request) => {
    text.value = request.text ?? request.texts?.[0] ?? "";
    typed();
  };
  if (task.examples?.length) take(task.examples[0].request);
  return [
    h(
      "div",
      { class: "input" },
      h("label", { for: id }, "A text"),
      text,
      exampleChips(task, take),
    ),
    answer.node,
  ];
}
