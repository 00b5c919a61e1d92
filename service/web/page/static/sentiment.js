// Sentiment: type, and see it change; and which words it was that changed it.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { place } from "./bars.js";
import { calm, certainty, h, newest, percent, unique } from "./dom.js";
import { remember } from "./history.js";

const PATH = "v1/predict/sentiment";
const TYPING_MS = 90;
const MOST_WORDS = 60; // that are left out one after the other
const TEXTS = [
  "Not perfect, but I loved every minute of it.",
  "Two hours of my life that nobody will give back.",
  "The actors do what they can, but the story is dull and the ending a mess.",
  "Far from disappointing.",
];

/** A call that works. */
export async function example() {
  return { path: PATH, json: { text: TEXTS[0] } };
}

/** The nodes of the card. */
export function build() {
  const play = new Sentiment();
  return [play.input, play.output];
}

class Sentiment {
  constructor() {
    const id = unique("text");
    this.text = h("textarea", {
      id,
      rows: 5,
      spellcheck: "false",
      maxlength: 100000,
      oninput: () => this.typed(),
    });
    this.text.value = TEXTS[0];
    this.input = h(
      "div",
      { class: "input" },
      h("label", { for: id }, "What somebody wrote about a film"),
      this.text,
      h(
        "div",
        { class: "chips", role: "group", "aria-label": "Examples" },
        TEXTS.map((text) => this.chip(text)),
      ),
    );
    this.answer = new Answer();
    this.needle = h("i", { class: "needle" });
    this.scale = h(
      "div",
      { class: "moods", "aria-hidden": "true" },
      h("div", { class: "mood" }, this.needle),
      h("div", { class: "row spread" }, h("span", {}, "hated it"), h("span", {}, "loved it")),
    );
    this.warning = h("p", { class: "note" });
    this.blame = h("p", { class: "blame", hidden: true });
    this.legend = h(
      "p",
      { class: "tip", hidden: true },
      "Coloured: words without which it would answer otherwise. Each was left out once.",
    );
    this.answer.view.append(this.scale, this.warning, this.blame, this.legend);
    this.output = this.answer.node;
    this.look = newest((text) => this.read(text), TYPING_MS);
    this.keep = calm((...given) => remember(...given), 1800);
    this.explain = calm((text) => this.leaveOut(text), 350);
    this.typed();
  }

  chip(text) {
    const take = () => {
      this.text.value = text;
      this.typed();
    };
    return h("button", { type: "button", class: "chip", onclick: take }, text);
  }

  typed() {
    const text = this.text.value;
    this.blame.hidden = this.legend.hidden = true;
    if (text.trim()) {
      this.look(text);
      this.explain(text);
    } else {
      this.answer.say("Write something, and it answers as you go.");
    }
  }

  async read(text) {
    try {
      const result = await ask({ path: PATH, json: { text } });
      const [found] = result.data.predictions;
      const sure = Math.max(found.probability, 1 - found.probability);
      const mood = found.label === "positive" ? "liked it" : "did not like it";
      this.answer.show(result, `They ${mood}: ${certainty(sure)}, ${percent(sure, 0)}.`);
      place(this.needle, found.probability);
      this.warning.textContent = found.warning ?? "";
      this.keep("sentiment", `${found.label}, ${percent(sure, 0)}`, null, text);
    } catch (error) {
      this.answer.fail(error);
    }
  }

  /** Asks again without each word in turn, all in one request: a batch of its own. */
  async leaveOut(text) {
    const parts = text.split(/(\s+)/).filter((part) => part);
    const places = parts.flatMap((part, index) => (part.trim() ? [index] : []));
    if (places.length < 2 || places.length > MOST_WORDS) return;
    const without = places.map((place) => parts.filter((_, index) => index !== place).join(""));
    try {
      const { data } = await ask({ path: PATH, json: { texts: [text, ...without] } });
      if (this.text.value !== text) return;
      const [whole, ...others] = data.predictions.map(({ probability }) =>
        logOdds(probability),
      );
      const weights = new Map(places.map((place, index) => [place, whole - others[index]]));
      this.paint(parts, weights);
    } catch {
      // the answer itself stands; why it came about is not told then
    }
  }

  paint(parts, weights) {
    const strongest = Math.max(...[...weights.values()].map(Math.abs), 0.5);
    const nodes = parts.map((part, index) => {
      const weight = weights.get(index) ?? 0;
      const share = Math.abs(weight) / strongest;
      if (share < 0.15) return part;
      const node = h("mark", { class: weight > 0 ? "for" : "against" }, part);
      node.style.setProperty("--share", share.toFixed(2));
      return node;
    });
    this.blame.replaceChildren(...nodes);
    this.blame.hidden = this.legend.hidden = false;
  }
}

function logOdds(probability) {
  const kept = Math.min(Math.max(probability, 1e-6), 1 - 1e-6);
  return Math.log(kept / (1 - kept));
}
