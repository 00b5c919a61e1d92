// A button to hold while one speaks; what was said becomes a WAV here in the browser.

import { ROOT } from "./api.js";
import { h } from "./dom.js";
import { toWav } from "./wav.js";

const HINT = "Hold and speak";

/** Records while its button is held, by a pointer or the space bar. */
export class Microphone {
  /**
   * @param {Object} options `onsound(file)`, which gets a WAV; `onproblem(message)`;
   *   `seconds`, after which it ends by itself.
   */
  constructor({ onsound, onproblem, seconds }) {
    Object.assign(this, { onsound, onproblem, seconds });
    const held = (event) => event.key === " " && (event.preventDefault(), true);
    this.button = h(
      "button",
      {
        type: "button",
        class: "button primary hold",
        "aria-pressed": "false",
        onpointerdown: (event) => event.button === 0 && this.press(),
        onpointerup: () => this.release(),
        onpointerleave: () => this.release(),
        onpointercancel: () => this.release(),
        oncontextmenu: (event) => event.preventDefault(), // a long touch is none
        onkeydown: (event) => held(event) && !event.repeat && this.press(),
        onkeyup: (event) => held(event) && this.release(),
        onblur: () => this.release(),
      },
      HINT,
    );
    this.button.hidden = !navigator.mediaDevices; // which browsers lack without https
  }

  async press() {
    if (this.recording) return;
    const recording = (this.recording = { blocks: [], held: true });
    this.say("One moment …");
    try {
      await this.listen(recording);
    } catch {
      this.end(recording);
      this.onproblem("There is no microphone, or this page may not use it.");
    }
  }

  async listen(recording) {
    recording.stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    recording.context = new AudioContext();
    const { audioWorklet, sampleRate } = recording.context;
    await audioWorklet.addModule(new URL("page/recorder.js", ROOT));
    if (!recording.held) {
      this.end(recording); // the browser has asked meanwhile whether it may
      this.say("Hold again, and speak");
      return;
    }
    const recorder = new AudioWorkletNode(recording.context, "recorder");
    recorder.port.onmessage = ({ data }) => {
      recording.blocks.push(data);
      const seconds = (recording.blocks.length * data.length) / sampleRate;
      if (seconds + 0.1 > this.seconds) this.release();
      else if (recording.held) this.say(`Speak … ${seconds.toFixed(1)} s`);
    };
    recording.context.createMediaStreamSource(recording.stream).connect(recorder);
    this.say("Speak …");
    this.button.setAttribute("aria-pressed", "true");
  }

  release() {
    const { recording } = this;
    if (!recording?.held) return;
    recording.held = false;
    if (!recording.blocks.length) return; // `listen` ends it
    this.end(recording);
    this.onsound(toWav(recording.blocks, recording.context.sampleRate));
  }

  end(recording) {
    recording.stream?.getTracks().forEach((track) => track.stop());
    recording.context?.close();
    this.recording = null;
    this.button.setAttribute("aria-pressed", "false");
    this.say(HINT);
  }

  say(words) {
    this.button.textContent = words;
  }
}
