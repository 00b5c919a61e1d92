// Photo: what is in the middle of it, the five best guesses.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { ClassBars } from "./bars.js";
import { certainty, h } from "./dom.js";
import { remember } from "./history.js";
import { fetchSample, PictureInput } from "./picture_input.js";
import { thumbnail, Viewer } from "./viewer.js";

const PATH = "v1/predict/photo";
const MIDDLE = 0.875; // of the short side: the square that the model looks at
const SAMPLES = [
  { name: "cat", title: "A cat" },
  { name: "coffee", title: "A cup" },
  { name: "rocket", title: "A launch" },
];

/** A call that works. */
export async function example() {
  return { path: PATH, file: await fetchSample("cat"), name: "cat.webp" };
}

/** The nodes of the card. */
export function build() {
  const answer = new Answer();
  const bars = new ClassBars("The five most probable");
  const viewer = new Viewer({ middle: MIDDLE, empty: "Drop a photo here" });
  const warning = h("p", { class: "note" });
  answer.view.append(bars.node, warning);
  answer.say("Choose a photo, or one of the samples.");

  async function read(file, name) {
    try {
      const result = await ask({ path: PATH, file, name });
      const [{ classes, warning: doubt }] = result.data.predictions;
      bars.show(
        classes.map((each) => ({
          label: each.label,
          score: each.probability,
          title: each.wnid,
        })),
      );
      const [best] = classes;
      warning.textContent = doubt ?? "";
      answer.show(result, `${article(best.label)}: ${certainty(best.probability)}.`);
      remember("photo", `${article(best.label)}`, await thumbnail(file), name);
    } catch (error) {
      answer.fail(error);
    }
  }

  const pictures = new PictureInput({ onpicture: read, samples: SAMPLES, shown: viewer });
  return [h("div", { class: "input" }, viewer.node, pictures.node), answer.node];
}

function article(label) {
  return `${/^[aeiou]/i.test(label) ? "An" : "A"} ${label}`;
}
