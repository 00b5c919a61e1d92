// The last hundred answers, kept in this browser and nowhere else.

import { h } from "./dom.js";

const KEY = "servery.answers";
const MOST = 100;
const MOST_CHARACTERS = 160; // of what was asked
const listeners = new Set();

function load() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return []; // barred, or not ours
  }
}

function store(answers) {
  try {
    localStorage.setItem(KEY, JSON.stringify(answers));
  } catch {
    // full, or barred: then nothing is kept
  }
  listeners.forEach((each) => each(answers));
}

/**
 * Keeps an answer.
 * @param {string} model Whose.
 * @param {string} text What it was.
 * @param {?string} image A small picture of what was asked, as a data: URL.
 * @param {?string} asked What was asked, in a few words.
 */
export function remember(model, text, image = null, asked = null) {
  const answers = load();
  const [last] = answers;
  const short = asked?.slice(0, MOST_CHARACTERS) ?? null;
  if (last?.model === model && last.text === text && last.asked === short) answers.shift();
  answers.unshift({ at: Date.now(), model, text, image, asked: short });
  store(answers.slice(0, MOST));
}

/** Lays out the list in its section, and keeps it up to date. */
export function showAnswers(section) {
  const list = h("ol", { class: "history", tabindex: "0", "aria-label": "Last answers" });
  const none = h("p", { class: "note" });
  const clear = h(
    "button",
    { type: "button", class: "quiet", onclick: () => store([]) },
    "Forget them",
  );
  section.append(
    h("header", {}, h("h2", { id: "answers-title" }, "Last answers"), clear),
    h("p", { class: "what" }, "The last hundred, kept in this browser and nowhere else."),
    none,
    list,
  );
  const show = (answers) => {
    none.textContent = answers.length ? "" : "There are none yet.";
    none.hidden = answers.length > 0;
    clear.hidden = !answers.length;
    list.replaceChildren(...answers.map(row));
  };
  listeners.add(show);
  addEventListener("storage", (event) => event.key === KEY && show(load()));
  show(load());
}

function row({ at, model, text, image, asked }) {
  const time = new Date(at);
  return h(
    "li",
    {},
    image
      ? h("img", { src: image, alt: "", width: 36, height: 36, class: "pixels" })
      : h("i", { class: "no-image" }),
    h("div", {}, h("p", {}, text), asked && h("p", { class: "asked" }, asked)),
    h("a", { href: `#${model}` }, model),
    h(
      "time",
      { datetime: time.toISOString() },
      time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }),
    ),
  );
}
