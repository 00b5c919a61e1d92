// A model that declares a task on sounds: hold a button and speak, or drop a file.

import { ask } from "./api.js";
import { Answer } from "./answer.js";
import { h } from "./dom.js";
import { remember } from "./history.js";
import { Microphone } from "./microphone.js";
import { PictureInput } from "./picture_input.js";
import { Spectrogram } from "./spectrogram.js";
import { exampleChips, TaskAnswer } from "./task_answer.js";

/** A call that works: the first example, if there is one. */
export async function example({ name, detail }) {
  const [first] = detail.task.examples ?? [];
  return first ? { path: `v1/predict/${name}`, json: first.request } : null;
}

/** The nodes of the card. */
export function build({ name, detail, version }) {
  const { task } = detail;
  const path = `v1/predict/${name}`;
  const answer = new Answer();
  const shown = new TaskAnswer(version.contract?.labels);
  const player = new Player();
  answer.view.append(...shown.nodes);
  answer.say("Hold the button and speak, or choose a sound.");

  async function listen(file, filename) {
    player.draw(file);
    try {
      const result = await ask({ path, file, name: filename });
      const sentence = shown.show(result.data.predictions[0]);
      answer.show(result, sentence);
      remember(name, sentence, null, filename);
    } catch (error) {
      answer.fail(error);
    }
  }

  const files = new PictureInput({
    onpicture: listen,
    shown: player,
    accept: "audio/*",
    noun: "sound",
  });
  const microphone = new Microphone({
    onsound: (sound) => files.take(sound, "recording.wav"),
    onproblem: (message) => answer.fail(new Error(message)),
    seconds: task.max_seconds ?? task.samples / task.rate,
  });
  const chips = exampleChips(task, ({ audio, audios }) =>
    files.take(fromBase64(audio ?? audios[0]), "example.wav"),
  );
  return [
    h("div", { class: "input" }, player.node, microphone.button, files.node, chips),
    answer.node,
  ];
}

/** Plays the sound that was chosen, and shows it. */
class Player {
  constructor() {
    this.sound = h("audio", { controls: true, hidden: true });
    this.spectrogram = new Spectrogram();
    this.hint = h("p", { class: "hint" }, "Drop a sound here: WAV, FLAC, OGG or MP3");
    this.node = h(
      "div",
      { class: "viewer sound" },
      this.spectrogram.node,
      this.sound,
      this.hint,
    );
  }

  show(address) {
    this.sound.src = address;
    this.sound.hidden = false;
    this.hint.hidden = true;
  }

  draw(file) {
    return this.spectrogram.show(file);
  }
}

/** A sound of base64, with or without a data: address before it. */
function fromBase64(text) {
  const letters = atob(text.slice(text.indexOf(",") + 1));
  const bytes = Uint8Array.from(letters, (each) => each.charCodeAt(0));
  return new Blob([bytes], { type: "audio/wav" }); // it is read by what it holds
}
