// A model that declares a task on pictures: a place to drop one.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { h } from "./dom.js";
import { remember } from "./history.js";
import { fetchSample, PictureInput } from "./picture_input.js";
import { Slider } from "./slider.js";
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

  const threshold = thresholdOf(task, version.contract?.labels, () => again?.());
  let again = null; // asks the same once more
  let asked = 0; // times, so that a slow answer does not take the place of a newer one

  async function read(call, picture) {
    again = () => read(call, picture);
    asked += 1;
    const turn = asked;
    try {
      const result = await ask({ ...call, query: queryOf(task, threshold) });
      if (turn !== asked) return;
      const sentence = shown.show(result.data.predictions[0]);
      answer.show(result, sentence);
      remember(name, sentence, picture && (await thumbnail(picture)), call.name);
    } catch (error) {
      if (turn === asked) answer.fail(error);
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
  const input = h(
    "div",
    { class: "input" },
    ...[viewer.node, files.node, threshold?.node, chips].filter(Boolean),
  );
  return [input, answer.node];
}

/** Where the second of two classes begins, to be moved; null where there is no such line. */
function thresholdOf(task, labels, onchange) {
  const { threshold } = task;
  if (task.kind !== "image-segmentation" || labels?.length !== 2) return null;
  if (!(threshold > 0 && threshold < 1)) return null;
  const range = { min: 0.05, max: 0.95, step: 0.05, value: threshold };
  return new Slider("Threshold", range, onchange);
}

/** Of a mask the picture with its outlines is wanted, too. */
function queryOf(task, threshold) {
  if (task.kind !== "image-segmentation") return undefined;
  return { overlay: true, ...(threshold && { threshold: threshold.value }) };
}
