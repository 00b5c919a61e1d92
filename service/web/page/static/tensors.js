// A model of which only tensors are known: an editor for JSON, with an example that works.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { ClassBars } from "./bars.js";
import { h, unique } from "./dom.js";
import { remember } from "./history.js";
import { exampleBody } from "./signature.js";

const SERVING = "serving_default";
const MOST_SHOWN = 4000; // characters of an answer

/** A call that works. */
export async function example({ name, version }) {
  return { path: pathOf(name), json: exampleBody(version.contract, firstOf(version)) };
}

/** The nodes of the card. */
export function build({ name, version }) {
  const play = new Editor(name, version);
  return [play.input, play.output];
}

function pathOf(name) {
  return `v1/models/${name}:predict`;
}

function firstOf({ contract }) {
  return SERVING in contract.signatures ? SERVING : Object.keys(contract.signatures)[0];
}

class Editor {
  constructor(name, version) {
    this.name = name;
    this.contract = version.contract;
    const [text, choice] = [unique("body"), unique("signature")];
    this.text = h("textarea", {
      id: text,
      rows: 10,
      class: "mono",
      spellcheck: "false",
      autocapitalize: "off",
      oninput: () => this.check(),
    });
    this.wrong = h("p", { class: "tip", role: "status" });
    this.signature = h(
      "select",
      { id: choice, onchange: () => this.begin() },
      Object.keys(this.contract.signatures).map((each) =>
        h("option", { selected: each === firstOf(version) }, each),
      ),
    );
    this.specs = h("div", { class: "specs" });
    this.send = h(
      "button",
      { type: "button", class: "button primary", onclick: () => this.read() },
      "Ask",
    );
    this.input = h(
      "div",
      { class: "input" },
      this.signature.length > 1 &&
        h("div", { class: "field" }, h("label", { for: choice }, "Signature"), this.signature),
      this.specs,
      h("label", { for: text }, "Request, as JSON"),
      this.text,
      this.wrong,
      h(
        "div",
        { class: "row" },
        this.send,
        h(
          "button",
          { type: "button", class: "quiet", onclick: () => this.begin() },
          "The example again",
        ),
      ),
    );
    this.answer = new Answer();
    this.bars = new ClassBars("Classes of the first row");
    this.json = h(
      "pre",
      { tabindex: "0", "aria-label": "Answer", class: "json", hidden: true },
      h("code"),
    );
    this.answer.view.append(this.bars.node, this.json);
    this.answer.say("Press “Ask”: the example works as it is.");
    this.output = this.answer.node;
    this.begin();
  }

  begin() {
    const signature = this.contract.signatures[this.signature.value];
    this.text.value = pretty(exampleBody(this.contract, this.signature.value));
    this.specs.replaceChildren(
      list("Takes", signature.inputs),
      list("Gives", signature.outputs),
    );
    this.check();
  }

  check() {
    try {
      this.body = JSON.parse(this.text.value);
      this.wrong.textContent = "";
    } catch (error) {
      this.body = undefined;
      this.wrong.textContent = `Not JSON yet: ${error.message}`;
    }
    this.send.disabled = this.body === undefined;
  }

  async read() {
    try {
      const result = await ask({ path: pathOf(this.name), json: this.body });
      this.show(result);
    } catch (error) {
      this.answer.fail(error);
    }
  }

  show(result) {
    const { data } = result;
    const rows = data.predictions ?? Object.values(data)[0];
    const number = Array.isArray(rows) ? rows.length : 1;
    this.answer.show(
      result,
      number === 1 ? this.tell(rows[0] ?? rows) : `${number} rows were answered.`,
    );
    this.bars.show(this.classes(Array.isArray(rows) ? rows[0] : rows));
    const text = pretty(data);
    this.json.hidden = false;
    this.json.firstChild.textContent =
      text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)} …` : text;
    remember(this.name, JSON.stringify(rows).slice(0, 80), null, JSON.stringify(this.body));
  }

  /** One row in a sentence, if it is one number. */
  tell(row) {
    const { outputs } = this.contract.signatures[this.signature.value];
    const value = [row].flat(9)[0];
    const single =
      outputs.length === 1 && typeof value === "number" && [row].flat(9).length === 1;
    return single
      ? `${outputs[0].name} = ${Number(value.toPrecision(5))}`
      : "One row was answered.";
  }

  /** The best classes, where a row is a probability for each label. */
  classes(row) {
    const { labels } = this.contract;
    const values = Array.isArray(row)
      ? row
      : Object.values(row ?? {}).find((each) => Array.isArray(each));
    if (!labels.length || values?.length !== labels.length) return [];
    const classes = labels.map((label, index) => ({ label, score: values[index] }));
    return classes.sort((one, other) => other.score - one.score).slice(0, 5);
  }
}

function list(title, specs) {
  return h(
    "div",
    {},
    h("h3", {}, title),
    h(
      "ul",
      {},
      specs.map(({ name, dtype, shape, any_rank: any }) =>
        h(
          "li",
          {},
          h("code", {}, name),
          ` ${dtype} ${any ? "of any shape" : `(${shape.map((each) => each ?? "any").join(", ")})`}`,
        ),
      ),
    ),
  );
}

/** JSON that is laid out, but with short lists on one line. */
function pretty(value) {
  return JSON.stringify(value, null, 2).replaceAll(
    /\[\s+([^[\]{}]{0,20000}?)\s+\]/g,
    (_, inside) => `[${inside.replaceAll(/\s*\n\s*/g, " ")}]`,
  );
}
