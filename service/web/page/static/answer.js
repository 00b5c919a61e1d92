// What stands under every input: the answer, where its time went, the call as code.

import { h, several, unique } from "./dom.js";
import { snippets } from "./snippets.js";

const STAGES = ["decode", "queue", "compute", "encode"];
const SPEAK_MS = 500; // after which a screen reader is told what has not changed again

/** The part of a card that answers. */
export class Answer {
  constructor() {
    this.headline = h("p", { class: "says" });
    this.spoken = h("p", { class: "unseen", role: "status", "aria-live": "polite" });
    this.view = h("div", { class: "view" });
    this.problem = h("div", { role: "alert" });
    this.timing = h("div", { class: "timing" });
    this.code = new Code();
    this.node = h(
      "div",
      { class: "answer" },
      this.problem,
      this.headline,
      this.spoken,
      this.view,
      this.timing,
      this.code.node,
    );
  }

  /**
   * Shows what a model said.
   * @param {Object} result As `ask` gives it.
   * @param {string} sentence What it means.
   */
  show(result, sentence) {
    this.problem.replaceChildren();
    this.node.classList.remove("stale");
    this.say(sentence);
    this.timing.replaceChildren(...timingBar(result.timing));
    this.code.show(result.call);
  }

  /** Says a sentence, to screen readers when it has stayed for a moment. */
  say(sentence) {
    if (this.headline.textContent === sentence) return;
    this.headline.textContent = sentence;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.spoken.textContent = sentence), SPEAK_MS);
  }

  /** Shows why there is no answer. */
  fail(error) {
    this.node.classList.add("stale");
    this.problem.replaceChildren(h("p", { class: "problem" }, error.message));
  }
}

/** Where the time of a call went, as a bar and in words. */
export function timingBar(timing) {
  const parts = STAGES.filter((name) => name in timing.stages).map((name) => [
    name,
    timing.stages[name],
  ]);
  if (!parts.length) return [];
  parts.push(["network", timing.rest]);
  const bar = h("div", { class: "spans", "aria-hidden": "true" });
  for (const [name, took] of parts) {
    const part = h("span", { class: `span ${name}` });
    part.style.flexGrow = Math.max(took, 0.001);
    bar.append(part);
  }
  const legend = h(
    "ul",
    { class: "legend", "aria-label": "Where the time went" },
    parts.map(([name, took]) =>
      h(
        "li",
        {},
        h("i", { class: `dot ${name}`, "aria-hidden": "true" }),
        `${name === "network" ? "network, browser" : name} `,
        h("b", {}, `${took.toFixed(took < 10 ? 1 : 0)} ms`),
      ),
    ),
    timing.batch &&
      h("li", { class: "batch" }, `in a batch of ${several(timing.batch, "row")}`),
  );
  return [bar, legend];
}

/** A call as code, in the language that the reader chose. */
class Code {
  constructor() {
    this.text = h("code");
    this.group = unique("language");
    this.choices = h("div", {
      class: "choices small",
      role: "group",
      "aria-label": "Language",
    });
    this.copy = h(
      "button",
      { type: "button", class: "quiet", onclick: () => this.copyText() },
      "Copy",
    );
    this.saved = h("span");
    this.node = h(
      "details",
      { class: "code" },
      h("summary", {}, "The same call as code"),
      h(
        "div",
        { class: "row spread" },
        this.choices,
        h("span", { class: "row" }, this.saved, this.copy),
      ),
      h("pre", { tabindex: "0", "aria-label": "Code" }, this.text),
    );
    this.node.hidden = true;
    this.node.addEventListener("toggle", () => this.render());
    this.language = "curl";
  }

  show(call) {
    this.call = call;
    this.node.hidden = false;
    if (this.node.open) this.render();
  }

  render() {
    const found = snippets(this.call);
    if (!this.choices.hasChildNodes())
      this.choices.append(...found.map((each) => this.choice(each.name)));
    this.text.textContent = found.find((each) => each.name === this.language).text;
    this.offerFile();
  }

  choice(name) {
    const input = h("input", {
      type: "radio",
      name: this.group,
      checked: name === this.language,
      onchange: () => {
        this.language = name;
        this.render();
      },
    });
    return h("label", {}, input, h("span", {}, name));
  }

  /** What was drawn or taken here lies in no folder yet. */
  offerFile() {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = this.call.file ? URL.createObjectURL(this.call.file) : null;
    const link =
      this.address &&
      h("a", { href: this.address, download: this.call.name }, `Save ${this.call.name}`);
    this.saved.replaceChildren(link ?? "");
  }

  async copyText() {
    try {
      await navigator.clipboard.writeText(this.text.textContent);
      this.copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(this.text); // no clipboard without https
      this.copy.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => (this.copy.textContent = "Copy"), 2000);
  }
}
