// Clothing: garments that never were; with the VAE also yours, and the way between two.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { calm, h, newest, several, unique } from "./dom.js";
import { remember } from "./history.js";
import { pixels } from "./garment.js";
import { Reconstruction } from "./reconstruction.js";
import { Slider } from "./slider.js";
import { Way } from "./way.js";

const PATH = "v1/generate/clothing";
const LARGEST_SEED = 2 ** 32 - 1;

/** A call that works. */
export async function example({ name }) {
  return {
    path: PATH,
    json: { generator: generatorOf(name), category: "sneaker", count: 1, seed: 7 },
  };
}

/** The nodes of the card. */
export function build({ name, version }) {
  const generator = generatorOf(name);
  const drawing = new Drawing(generator, version.manifest);
  if (generator === "gan") return [drawing.input, drawing.output];
  const way = new Way();
  drawing.onimages = (images) => way.offer(images);
  drawing.onpick = (garment) => way.take(garment);
  const own = new Reconstruction((garment) => way.take(garment));
  return [drawing.input, drawing.output, way.node, own.node];
}

function generatorOf(name) {
  return name === "clothing_gan" ? "gan" : "vae";
}

class Drawing {
  constructor(generator, manifest) {
    this.generator = generator;
    this.categories = manifest.labels;
    this.usual = manifest.constants.temperature ?? 1;
    this.draw = newest(() => this.read(), 20);
    this.input = h("div", { class: "input" }, this.controls());
    this.answer = new Answer();
    this.sheet = h("div", { class: "garments" });
    this.tip = h(
      "p",
      { class: "tip" },
      generator === "vae"
        ? "Press two of them: below is the way from the one to the other."
        : "",
    );
    this.answer.view.append(this.sheet, this.tip);
    this.output = this.answer.node;
    this.keep = calm((...given) => remember(...given), 1500);
    this.onimages = this.onpick = () => {};
    this.draw();
  }

  controls() {
    const changed = () => this.draw();
    const [category, seed] = [unique("category"), unique("seed")];
    this.category = h(
      "select",
      { id: category, onchange: changed },
      h("option", { value: "" }, "all ten in turn"),
      this.categories.map((name) => h("option", {}, name)),
    );
    this.seed = h("input", {
      type: "number",
      id: seed,
      min: 0,
      max: LARGEST_SEED,
      step: 1,
      value: 7,
      oninput: changed,
    });
    const roll = () => {
      this.seed.value = Math.floor(Math.random() * 100000);
      this.draw();
    };
    this.count = new Slider("How many", { min: 1, max: 100, step: 1, value: 20 }, changed);
    this.temperature = new Slider(
      "Temperature",
      { min: 0, max: 1.5, step: 0.05, value: this.usual },
      changed,
      (value) =>
        value < 0.4 ? `${value}: the usual` : value > 1.1 ? `${value}: daring` : `${value}`,
    );
    return [
      h("div", { class: "field" }, h("label", { for: category }, "Category"), this.category),
      h(
        "div",
        { class: "field" },
        h("label", { for: seed }, "Seed"),
        h(
          "div",
          { class: "row" },
          this.seed,
          h("button", { type: "button", class: "button", onclick: roll }, "Roll"),
        ),
      ),
      this.count.node,
      this.temperature.node,
      h(
        "p",
        { class: "tip" },
        "The same seed draws the same garments, byte for byte, on any machine.",
      ),
    ];
  }

  async read() {
    const json = {
      generator: this.generator,
      count: this.count.value,
      seed: Number(this.seed.value),
      temperature: this.temperature.value,
    };
    if (this.category.value) json.category = this.category.value;
    try {
      const result = await ask({ path: PATH, json });
      this.show(result, json);
    } catch (error) {
      this.answer.fail(error);
    }
  }

  show(result, { category, seed }) {
    const { images } = result.data;
    const what = category
      ? `${several(images.length, "drawing")} of one category, ${category}`
      : several(images.length, "garment");
    this.answer.show(result, `${what}, from seed ${seed}.`);
    this.sheet.classList.toggle("many", images.length > 30);
    this.sheet.replaceChildren(...images.map((each) => this.tile(each)));
    this.onimages(images);
    this.keep(`clothing_${this.generator}`, `${what}, seed ${seed}`, pixels(images[0]));
  }

  tile(garment) {
    const title = garment.category;
    if (this.generator === "gan")
      return h("img", { src: pixels(garment), alt: title, title, class: "pixels" });
    const image = h("img", { src: pixels(garment), alt: "", class: "pixels" });
    return h(
      "button",
      {
        type: "button",
        class: "tile",
        title,
        "aria-label": `${title}: take for the way`,
        onclick: () => this.onpick(garment),
      },
      image,
    );
  }
}
