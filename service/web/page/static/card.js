// The card of one model: what it is, a place to try it, how good it is.

import { read } from "./api.js";
import { capital, h, words } from "./dom.js";
import { About } from "./about.js";
import { findPlay, TITLES } from "./plays.js";

const STATES = {
  ready: "ready",
  loading: "loading",
  draining: "leaving",
  failed: "failed",
  missing: "missing",
};
const NEAR = "600px"; // from the window's edge: a card is furnished before it is seen

/** One model on the page. */
export class Card {
  constructor(name) {
    this.name = name;
    this.state = h("span", { class: "state" });
    this.version = h("span", { class: "tag" });
    this.sentence = h("p", { class: "what" });
    this.trouble = h("div", { class: "trouble" });
    this.body = h("div", { class: "play" }, h("div", { class: "waiting" }));
    this.about = h("div", { class: "about" });
    const title = h("h2", { id: `${name}-title` }, TITLES[name] ?? capital(words(name)));
    this.node = h(
      "section",
      { class: "card", id: name, "aria-labelledby": `${name}-title` },
      h("header", {}, title, h("div", { class: "tags" }, this.state, this.version)),
      this.sentence,
      this.trouble,
      this.body,
      this.about,
    );
    this.dot = h("i", { class: "light", "aria-hidden": "true" });
    this.tab = h("li", {}, h("a", { href: `#${name}` }, this.dot, title.textContent));
    this.watcher = new IntersectionObserver((seen) => this.come(seen), { rootMargin: NEAR });
    this.watcher.observe(this.node);
  }

  /** @param {Object} summary What `/v1/models` says of it. */
  update(summary) {
    const same = JSON.stringify(summary);
    if (same === this.known) return;
    this.known = same;
    this.summary = summary;
    const state = stateOf(summary);
    this.state.textContent = STATES[state];
    this.state.className = `state ${state}`;
    this.dot.className = `light ${state}`;
    const version = summary.default_version;
    this.version.textContent = version === null ? "" : `version ${version}`;
    this.trouble.replaceChildren(...troubles(summary));
    this.node.classList.toggle("silent", version === null);
    this.tab.firstChild.title = STATES[state];
    if (this.near) this.furnish();
  }

  come(seen) {
    this.near = seen.some((each) => each.isIntersecting);
    if (this.near && this.summary) this.furnish();
  }

  /** Fetches what is known of the version that answers, and lays out its play. */
  async furnish() {
    const version = this.summary.default_version;
    if (!this.summary.versions.length) {
      this.body.replaceChildren();
      this.sentence.textContent = SENTENCES[this.name] ?? "No version of it is here.";
      return;
    }
    const wanted = `${version} ${this.summary.versions.length}`;
    if (this.furnished === wanted) return;
    this.furnished = wanted;
    try {
      const detail = await read(`v1/models/${encodeURIComponent(this.name)}`);
      this.lay(detail);
    } catch (error) {
      this.furnished = null;
      this.trouble.replaceChildren(h("p", { class: "problem" }, error.message));
    }
  }

  async lay(detail) {
    const version = detail.versions.find((each) => each.version === detail.default_version);
    const shown = version ?? detail.versions.at(-1);
    this.sentence.textContent = sentenceOf(this.name, shown.manifest);
    this.about.replaceChildren(...new About(this.name, shown).nodes);
    if (!version) {
      this.body.replaceChildren();
      return;
    }
    const play = await findPlay(this.name, detail);
    this.body.replaceChildren(...play.build({ name: this.name, detail, version }));
  }

  mark(current) {
    const link = this.tab.firstChild;
    if (current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }

  remove() {
    this.watcher.disconnect();
    this.node.remove();
    this.tab.remove();
  }
}

function stateOf(summary) {
  if (!summary.versions.length) return "missing";
  if (summary.default_version !== null) return "ready";
  return summary.versions.at(-1).state;
}

/** Sentences on what is wrong, and how it is put right. */
function troubles(summary) {
  const found = [];
  for (const { version, state, reason } of summary.versions) {
    if (state === "failed")
      found.push(
        h(
          "p",
          { class: "problem" },
          `Version ${version} failed${reason ? `: ${reason}` : "."}`,
        ),
      );
    if (state === "loading")
      found.push(
        h(
          "p",
          { class: "note" },
          `Version ${version} is being loaded; it answers as soon as it is warm.`,
        ),
      );
  }
  for (const note of summary.notes)
    found.push(h("p", { class: "note" }, `${capital(note)}.`.replace("..", ".")));
  if (summary.how_to_get) {
    found.push(
      h(
        "p",
        { class: "note" },
        "It is not on this machine yet. This gets it; the card comes to life when it is done:",
      ),
      h("pre", { tabindex: "0", "aria-label": "Command" }, h("code", {}, summary.how_to_get)),
    );
  }
  return found;
}

const SENTENCES = {
  digits: "Reads one handwritten digit, however it was drawn, photographed or scanned.",
  sentiment: "Tells whether whoever wrote about a film liked it.",
  photo: "Names what is in the middle of a photo, out of 1,000 things it knows.",
  clothing_vae:
    "Draws clothing that never was, takes yours apart into twenty numbers, and walks from one garment to another.",
  clothing_gan:
    "Draws clothing that never was, sharper than the other one, and knows no way back from a picture.",
  party:
    "Guesses the party of a member of the US House of 1984 from sixteen votes, and says which ones gave it away.",
  spoken: "Hears which digit somebody says in English.",
  mammogram:
    "Estimates how likely a mass in a mammogram is malignant, from four findings of a doctor.",
};

function sentenceOf(name, manifest) {
  if (SENTENCES[name]) return SENTENCES[name];
  const description = manifest?.description ?? "";
  const end = description.search(/[.:;](\s|$)/);
  if (description)
    return `${end > 0 ? description.slice(0, end) : description}.`.replace("..", ".");
  return "Its author says nothing of what it is for; its inputs and outputs are known.";
}
