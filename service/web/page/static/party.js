// Party: sixteen votes as switches, and beside them how loudly each one spoke.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { place } from "./bars.js";
import { calm, capital, certainty, h, newest, percent, unique, words } from "./dom.js";
import { remember } from "./history.js";

const PATH = "v1/predict/party";
const CASTS = ["yea", "unknown", "nay"];
const SIGNS = { yea: "Yea", unknown: "?", nay: "Nay" };
const LOUDEST = 3; // in log-odds: what fills the bar beside a vote

// As most of either party voted in 1984, on what divided them.
const DEMOCRAT = {
  "adoption-of-the-budget-resolution": "yea",
  "physician-fee-freeze": "nay",
  "el-salvador-aid": "nay",
  "anti-satellite-test-ban": "yea",
  "aid-to-nicaraguan-contras": "yea",
  "mx-missile": "yea",
  "education-spending": "nay",
  crime: "nay",
  "duty-free-exports": "yea",
};
const REPUBLICAN = Object.fromEntries(
  Object.entries(DEMOCRAT).map(([vote, cast]) => [vote, cast === "yea" ? "nay" : "yea"]),
);
const PRESETS = [
  ["Most Democrats", DEMOCRAT],
  ["Most Republicans", REPUBLICAN],
  ["Nothing known", {}],
];

/** A call that works. */
export async function example() {
  return { path: PATH, json: { votes: DEMOCRAT } };
}

/** The nodes of the card. */
export function build({ version }) {
  const play = new Party(version.manifest.constants.votes);
  return [play.output, play.input]; // on a phone the answer stays above the votes
}

class Party {
  constructor(names) {
    this.rows = new Map(names.map((name) => [name, new Vote(name, () => this.look())]));
    this.input = h(
      "div",
      { class: "input" },
      h(
        "div",
        { class: "chips", role: "group", "aria-label": "Examples" },
        PRESETS.map(([title, votes]) => this.preset(title, votes)),
      ),
      h(
        "div",
        { class: "votes" },
        [...this.rows.values()].map((row) => row.node),
      ),
    );
    this.answer = new Answer();
    this.needle = h("i", { class: "needle" });
    this.warning = h("p", { class: "note" });
    this.loudest = h("ol", { class: "loudest", "aria-label": "Votes that spoke most" });
    this.answer.view.append(
      h(
        "div",
        { class: "moods", "aria-hidden": "true" },
        h("div", { class: "mood parties" }, this.needle),
        h(
          "div",
          { class: "row spread" },
          h("span", {}, "Republican"),
          h("span", {}, "Democrat"),
        ),
      ),
      this.warning,
      this.loudest,
    );
    this.output = this.answer.node;
    this.look = newest(() => this.read(), 30);
    this.keep = calm((...given) => remember(...given), 1500);
    this.set(DEMOCRAT);
  }

  preset(title, votes) {
    return h(
      "button",
      { type: "button", class: "chip", onclick: () => this.set(votes) },
      title,
    );
  }

  set(votes) {
    for (const [name, row] of this.rows) row.cast = votes[name] ?? "unknown";
    this.look();
  }

  async read() {
    const votes = {};
    for (const [name, row] of this.rows) if (row.cast !== "unknown") votes[name] = row.cast;
    try {
      const result = await ask({ path: PATH, json: { votes } });
      this.show(result, result.data.predictions[0]);
    } catch (error) {
      this.answer.fail(error);
    }
  }

  show(result, found) {
    const sure = Math.max(found.probability, 1 - found.probability);
    const verdict = `A ${capital(found.party)}: ${certainty(sure)}, ${percent(sure)}`;
    this.answer.show(result, `${verdict}.`);
    place(this.needle, found.probability);
    this.warning.textContent = found.warning ? `${capital(found.warning)}.` : "";
    for (const row of this.rows.values()) row.weigh(0, found.party);
    for (const { vote, weight } of found.votes)
      this.rows.get(vote).weigh(weight / LOUDEST, found.party);
    this.loudest.replaceChildren(
      ...found.votes.map(({ vote, cast, weight }) =>
        h(
          "li",
          {},
          h("b", {}, cast),
          ` on ${words(vote)} `,
          h("span", { class: "note" }, `odds × ${Math.exp(weight).toFixed(1)}`),
        ),
      ),
    );
    this.keep("party", verdict);
  }
}

/** One vote: a switch of three positions, and a bar beside it. */
class Vote {
  constructor(name, onchange) {
    const group = unique("vote");
    this.inputs = CASTS.map((cast) =>
      h("input", { type: "radio", name: group, value: cast, onchange }),
    );
    this.bar = h("i", { class: "weight", "aria-hidden": "true" });
    this.node = h(
      "fieldset",
      { class: "vote" },
      h("legend", {}, words(name)),
      this.bar,
      h(
        "div",
        { class: "choices small" },
        this.inputs.map((input) =>
          h(
            "label",
            {},
            input,
            h(
              "span",
              { title: input.value },
              SIGNS[input.value],
              input.value === "unknown" && h("span", { class: "unseen" }, " unknown"),
            ),
          ),
        ),
      ),
    );
  }

  get cast() {
    return this.inputs.find((each) => each.checked).value;
  }

  set cast(cast) {
    this.inputs.find((each) => each.value === cast).checked = true;
  }

  weigh(share, party) {
    this.bar.style.transform = `scaleX(${Math.min(1, share)})`;
    this.bar.className = `weight ${party}`;
  }
}
