// Your own garment, through twenty numbers and back.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { ClassBars } from "./bars.js";
import { certainty, h, percent } from "./dom.js";
import { remember } from "./history.js";
import { PictureInput } from "./picture_input.js";
import { Viewer } from "./viewer.js";

const PATH = "v1/reconstruct/clothing";

/** A place for a picture of a garment, and what becomes of it. */
export class Reconstruction {
  /** @param {function(Object)} onpick Gets the garment, to be an end of the way. */
  constructor(onpick) {
    this.onpick = onpick;
    this.answer = new Answer();
    this.stages = h("div", { class: "stages" });
    this.bars = new ClassBars("What the encoder takes it for");
    this.answer.view.append(this.stages, this.bars.node);
    this.answer.say("Show it a garment on a plain background.");
    const viewer = new Viewer({ empty: "Drop a photo of a garment here" });
    const pictures = new PictureInput({
      onpicture: (file, name) => this.read(file, name),
      shown: viewer,
    });
    this.node = h(
      "div",
      { class: "further" },
      h("h3", {}, "Your own garment"),
      h(
        "div",
        { class: "halves" },
        h("div", { class: "input" }, viewer.node, pictures.node),
        this.answer.node,
      ),
    );
  }

  async read(file, name) {
    try {
      const result = await ask({ path: PATH, file, name });
      this.show(result, result.data.reconstructions[0]);
    } catch (error) {
      this.answer.fail(error);
    }
  }

  show(result, found) {
    const garment = {
      image: found.reconstruction,
      latent: found.latent,
      category: found.category,
    };
    const seen = `data:image/png;base64,${found.prepared}`;
    this.answer.show(result, `Taken for: ${found.category}, ${certainty(found.probability)}.`);
    this.stages.replaceChildren(
      picture(seen, "What it saw"),
      h("span", { "aria-hidden": "true" }, "→ 20 numbers →"),
      picture(`data:image/png;base64,${found.reconstruction}`, "Drawn from them"),
      h(
        "button",
        { type: "button", class: "button", onclick: () => this.onpick(garment) },
        "Take for the way above",
      ),
    );
    const classes = Object.entries(found.probabilities).map(([label, score]) => ({
      label,
      score,
    }));
    this.bars.show(classes.sort((one, other) => other.score - one.score).slice(0, 3));
    remember(
      "clothing_vae",
      `Yours: ${found.category}, ${percent(found.probability, 0)}`,
      seen,
    );
  }
}

function picture(address, caption) {
  return h(
    "figure",
    {},
    h("img", { src: address, alt: caption, class: "pixels", width: 84, height: 84 }),
    h("figcaption", {}, caption),
  );
}
