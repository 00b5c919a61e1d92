// Two hundred requests at a model: dynamic batching, seen.

import { ask, read } from "./api.js";
import { count, h, several, unique } from "./dom.js";
import { findPlay } from "./plays.js";

const REQUESTS = 200;
const DARKEST = 6; // rows in a batch: as many connections as a browser opens to one server
const WAYS = [
  [1, "one at a time"],
  [DARKEST, "six at once"],
];

/** A button, two hundred squares, and what was learnt. */
export class Burst {
  /** @param {function()} onend Called when the last answer has come. */
  constructor(onend) {
    this.onend = onend;
    const [id, group] = [unique("target"), unique("ways")];
    this.target = h("select", { id });
    this.ways = WAYS.map(([number]) =>
      h("input", { type: "radio", name: group, value: number, checked: number === DARKEST }),
    );
    this.button = h(
      "button",
      { type: "button", class: "button primary", onclick: () => this.run() },
      `Send ${REQUESTS} requests`,
    );
    this.squares = Array.from({ length: REQUESTS }, () => h("i"));
    this.legend = h(
      "p",
      { class: "shades", hidden: true },
      "Rows in its batch: ",
      Array.from({ length: DARKEST }, (_, index) =>
        h(
          "span",
          {},
          h("i", { class: `rows-${index + 1}` }),
          `${index + 1}${index + 1 === DARKEST ? "+" : ""}`,
        ),
      ),
    );
    this.results = h("ul", { class: "results", role: "status" });
    this.node = h(
      "div",
      { class: "burst" },
      h(
        "div",
        { class: "row" },
        h("div", { class: "field inline" }, h("label", { for: id }, "To"), this.target),
        h(
          "div",
          { class: "choices", role: "group", "aria-label": "How many at once" },
          WAYS.map(([, title], index) =>
            h("label", {}, this.ways[index], h("span", {}, title)),
          ),
        ),
        this.button,
      ),
      h("div", { class: "squares", "aria-hidden": "true" }, this.squares),
      this.legend,
      this.results,
    );
  }

  /** @param {string[]} names The models that answer. */
  offer(names) {
    const same = [...this.target.options].map((each) => each.value);
    if (same.join() === names.join()) return;
    const chosen = this.target.value;
    this.target.replaceChildren(
      ...names.map((name) => h("option", { selected: name === chosen }, name)),
    );
  }

  async run() {
    this.button.disabled = true;
    try {
      const name = this.target.value;
      const call = await exampleOf(name);
      const atOnce = Number(this.ways.find((each) => each.checked).value);
      this.squares.forEach((each) => (each.className = ""));
      this.legend.hidden = false;
      const began = performance.now();
      const answers = await this.send(call, atOnce);
      this.tell(name, atOnce, answers, (performance.now() - began) / 1000);
    } catch (error) {
      this.results.prepend(h("li", { class: "problem" }, error.message));
    }
    this.button.disabled = false;
    this.onend();
  }

  async send(call, atOnce) {
    const answers = [];
    let next = 0;
    const sender = async () => {
      while (next < REQUESTS) {
        const square = this.squares[next];
        next += 1;
        square.className = "sent";
        const { timing } = await ask(call);
        square.className = `rows-${Math.min(timing.batch ?? 1, DARKEST)}`;
        answers.push(timing);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, sender));
    return answers;
  }

  tell(name, atOnce, answers, seconds) {
    const batches = answers.reduce((sum, { batch }) => sum + 1 / (batch ?? 1), 0);
    const shared = answers.filter(({ batch }) => batch > 1).length;
    const middle = answers.map(({ total }) => total).sort((one, other) => one - other)[
      REQUESTS / 2
    ];
    const text = `${name}, ${WAYS.find(([number]) => number === atOnce)[1]}: ${count(REQUESTS / seconds)} requests a second, half of them answered within ${middle.toFixed(0)} ms, in ${several(Math.round(batches), "batch")} of ${(REQUESTS / batches).toFixed(1)} rows. ${shared} of ${REQUESTS} shared one.`;
    this.results.prepend(h("li", {}, text.replace("batchs", "batches")));
    while (this.results.children.length > 4) this.results.lastChild.remove();
  }
}

async function exampleOf(name) {
  const detail = await read(`v1/models/${encodeURIComponent(name)}`);
  const version = detail.versions.find((each) => each.version === detail.default_version);
  const play = await findPlay(name, detail);
  const call = await play.example({ name, detail, version });
  if (!call) throw new Error(`${name} tells no example: try it above first.`);
  return call;
}
