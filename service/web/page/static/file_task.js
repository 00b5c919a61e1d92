// A model that declares a task on pictures: a place to drop one.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { h } from "./dom.js";
import { remember } from "./history.js";
import { fetchSample, PictureInput } from "./picture_input.js";
import { exampleChips, TaskAnswer } from "./task_answer.js";
import { thumbnail, Viewer } from "./viewer.js";

/** A call that works: the first example, or any picture. */
export async function example({ name, detail }) {
  const path = `v1/predict/${name}`;
  const [first] = detail.task.examples ?? [];
  if (first) return { path, json: first.request };
  return { path, file: await fetchSample("cat"), name: "cat.webp" };
}

/** The nodes of the card. */
export function build({ name, detail, version }) {
  const { task } = detail;
  const answer = new Answer();
  const shown = new TaskAnswer(version.contract?.labels);
  const viewer = new Viewer({ empty: "Drop a picture here" });
  answer.view.append(...shown.nodes);
  answer.say("Choose a picture.");

  async function read(call, picture) {
    try {
      const result = await ask(call);
      const sentence = shown.show(result.data.predictions[0]);
      answer.show(result, sentence);
      remember(name, sentence, picture && (await thumbnail(picture)), call.name);
    } catch (error) {
      answer.fail(error);
    }
  }

  const path = `v1/predict/${name}`;
  const files = new PictureInput({
    onpicture: (file, filename) => read({ path, file, name: filename }, file),
    shown: viewer,
  });
  const chips = exampleChips(task, (request) => {
    if (request.image)
      viewer.show(
        request.image.startsWith("data:")
          ? request.image
          : `data:image/png;base64,${request.image}`,
      );
    read({ path, json: request });
  });
  return [h("div", { class: "input" }, viewer.node, files.node, chips), answer.node];
}
