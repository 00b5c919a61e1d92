// Begins: finds out which models there are, and gives each its card.

import { read } from "./api.js";
import { Card } from "./card.js";
import { h, several } from "./dom.js";
import { showAnswers } from "./history.js";
import { LiveView } from "./live.js";

const LOOK_AGAIN_MS = 4000; // a model that is dropped in appears within so long
const FIRST = [
  "digits",
  "sentiment",
  "photo",
  "clothing_vae",
  "clothing_gan",
  "party",
  "mammogram",
];

const cards = new Map();
const shelf = document.getElementById("shelf");
const models = document.getElementById("models");
const summary = document.getElementById("summary");
const problem = document.getElementById("problem");
const live = new LiveView(document.getElementById("live"));

async function look() {
  try {
    const found = await read("v1/models");
    problem.replaceChildren(found.problem ? h("p", { class: "problem" }, found.problem) : "");
    show([...found.models].sort(byPlace));
  } catch (error) {
    problem.replaceChildren(h("p", { class: "problem" }, error.message));
  }
}

function byPlace(one, other) {
  return place(one) - place(other) || one.name.localeCompare(other.name);
}

/** Those that answer come first, and among them those that were made to be played with. */
function place(model) {
  const known = FIRST.indexOf(model.name);
  const answers = model.default_version !== null || model.versions.length > 0;
  return (known < 0 ? FIRST.length : known) + (answers ? 0 : 1000);
}

function show(found) {
  const names = new Set(found.map((each) => each.name));
  for (const [name, card] of cards) {
    if (!names.has(name)) {
      card.remove();
      cards.delete(name);
    }
  }
  found.forEach((model, index) => {
    if (!cards.has(model.name)) cards.set(model.name, new Card(model.name));
    const card = cards.get(model.name);
    card.update(model);
    if (models.children[index] !== card.node)
      models.insertBefore(card.node, models.children[index] ?? null);
    if (shelf.children[index] !== card.tab)
      shelf.insertBefore(card.tab, shelf.children[index] ?? null);
  });
  sum(found);
  live.offer(found.filter((each) => each.default_version !== null).map((each) => each.name));
  document.documentElement.dataset.ready = "";
}

function sum(found) {
  const ready = found.filter((each) => each.default_version !== null).length;
  const rest = found.length - ready;
  const text = found.length
    ? `${several(ready, "model")} ${ready === 1 ? "is" : "are"} ready${rest ? `, ${rest} ${rest === 1 ? "is" : "are"} not` : ""}. Draw, type or drop something: this server answers as you go.`
    : "There is no model yet. Put one into the artifacts folder, and its card appears here.";
  if (summary.textContent !== text) summary.textContent = text;
}

/** Marks on the shelf the card that is being looked at. */
function follow() {
  const seen = new Set();
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) seen.add(target.id);
        else seen.delete(target.id);
      }
      const current = [...cards.keys()].find((name) => seen.has(name));
      for (const [name, card] of cards) card.mark(name === current);
    },
    { rootMargin: "-20% 0px -60% 0px" },
  );
  return watcher;
}

const watcher = follow();
new MutationObserver((changes) => {
  for (const { addedNodes } of changes) addedNodes.forEach((node) => watcher.observe(node));
}).observe(models, { childList: true });

showAnswers(document.getElementById("answers"));
await look();
document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
setInterval(() => document.visibilityState === "visible" && look(), LOOK_AGAIN_MS);
