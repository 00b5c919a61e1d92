// What is known of a version: how good it is, its pictures, its data and its limits.

import { ROOT } from "./api.js";
import { capital, count, h, percent, words } from "./dom.js";
import { describeQuality } from "./quality.js";

/** The lower part of a card. */
export class About {
  /**
   * @param {string} name The model's.
   * @param {Object} version One of `versions` in `/v1/models/<name>`.
   */
  constructor(name, version) {
    const quality = describeQuality(version.manifest);
    this.nodes = [
      h("p", { class: "quality" }, quality.sentences[0]),
      fold("How good is it?", [
        quality.bars.length > 0 && qualityBars(quality.bars),
        quality.sentences.slice(1).map((each) => h("p", {}, each)),
        quality.rest.length > 0 && figures(quality.rest),
        plots(name, version.reports),
      ]),
      fold("What it is, and what it is not for", [
        ...description(version.manifest),
        ...data(version.manifest),
        runtime(version),
      ]),
    ];
  }
}

function fold(title, children) {
  const inside = children.flat().filter(Boolean);
  if (!inside.length) return "";
  return h(
    "details",
    { class: "fold" },
    h("summary", {}, title),
    h("div", { class: "folded" }, inside),
  );
}

/** Shares of right answers, with the error of their measurement. */
function qualityBars(bars) {
  const rows = bars.map(({ label, value, error }, index) => {
    const fill = h("i");
    fill.style.transform = `scaleX(${value})`;
    const said = error ? `${percent(value, 1)} ± ${(error * 100).toFixed(1)}` : percent(value);
    return h(
      "li",
      { class: index === 0 ? "best" : "" },
      h("span", { class: "name" }, label),
      h("span", { class: "track", "aria-hidden": "true" }, fill),
      h("span", { class: "value" }, said),
    );
  });
  return h("ol", { class: "bars compared", "aria-label": "Share of right answers" }, rows);
}

function figures(pairs) {
  return h(
    "dl",
    { class: "figures" },
    pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]),
  );
}

function plots(name, reports) {
  if (!reports.length) return null;
  return h(
    "div",
    { class: "plots" },
    reports.map((path) => {
      const title = titleOf(path);
      const address = new URL(path.slice(1), ROOT);
      return h(
        "figure",
        {},
        h(
          "a",
          { href: address },
          h("img", { src: address, alt: `${title}, of ${words(name)}`, loading: "lazy" }),
        ),
        h("figcaption", {}, title),
      );
    }),
  );
}

function description(manifest) {
  if (!manifest)
    return [
      h("p", {}, "It came without a manifest: its inputs and outputs are all that is known."),
    ];
  const parts = [
    ["What it is", manifest.description],
    ["For", manifest.intended_use],
    ["Limits", manifest.limits],
  ];
  return parts
    .filter(([, text]) => text)
    .flatMap(([title, text]) => [h("h3", {}, title), h("p", {}, text)]);
}

function data(manifest) {
  const sets = manifest?.training?.data ?? [];
  if (!sets.length) return [];
  const rows = sets.map(({ name, source, licence, rows: split }) => {
    const isLink = /^https?:/.test(source);
    return h(
      "li",
      {},
      h("b", {}, name),
      `, ${licence}. `,
      isLink ? h("a", { href: source, rel: "noreferrer" }, "Source") : `From: ${source}`,
      ". ",
      rowsOf(split),
    );
  });
  return [h("h3", {}, "Data and licences"), h("ul", {}, rows)];
}

function runtime({ runtime: chosen, manifest }) {
  const facts = [];
  if (manifest?.metrics?.parameters)
    facts.push(`${count(manifest.metrics.parameters)} parameters`);
  if (chosen?.name) facts.push(`computed by ${chosen.name}`);
  return facts.length ? h("p", { class: "note" }, `${capital(facts.join(", "))}.`) : null;
}

/** "…/report/learning_curves.png" → "Learning curves". */
function titleOf(path) {
  const name = words(
    path
      .split("/")
      .at(-1)
      .replace(/\.\w+$/, ""),
  );
  return name === "roc" ? "ROC" : capital(name);
}

/** How many rows were used for what. */
function rowsOf(split) {
  const uses = Object.entries(split).map(([use, rows]) => `${words(use)} ${count(rows)}`);
  return uses.length > 0 && `Rows: ${uses.join(", ")}.`;
}
