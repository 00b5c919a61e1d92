// A photo, taken here: by the phone's own camera, or through a window on the desk's.

import { h, unique } from "./dom.js";

/** Buttons that take a photo, and the window in which it is taken. */
export class Camera {
  /** @param {function(Blob)} onphoto Gets a JPEG. */
  constructor(onphoto) {
    this.onphoto = onphoto;
    this.video = h("video", {
      playsinline: true,
      muted: true,
      "aria-label": "What the camera sees",
    });
    this.problem = h("p", { role: "alert" });
    this.dialog = h(
      "dialog",
      { class: "camera", "aria-label": "Camera", onclose: () => this.stop() },
      this.video,
      this.problem,
      h(
        "div",
        { class: "row" },
        h(
          "button",
          { type: "button", class: "button primary", onclick: () => this.shoot() },
          "Take the photo",
        ),
        h(
          "button",
          { type: "button", class: "quiet", onclick: () => this.dialog.close() },
          "Cancel",
        ),
      ),
    );
    this.buttons = matchMedia("(pointer: coarse)").matches ? this.phone() : this.desk();
  }

  phone() {
    const id = unique("camera");
    const file = h("input", {
      type: "file",
      id,
      accept: "image/*",
      capture: "environment",
      class: "unseen",
    });
    file.addEventListener("change", () => file.files[0] && this.onphoto(file.files[0]));
    return [file, h("label", { for: id, class: "button" }, "Take a photo")];
  }

  desk() {
    if (!navigator.mediaDevices) return []; // which browsers lack without https
    return [
      h(
        "button",
        { type: "button", class: "button", onclick: () => this.open() },
        "Take a photo",
      ),
    ];
  }

  async open() {
    this.problem.textContent = "";
    this.dialog.showModal();
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: "environment" },
      });
      this.video.srcObject = this.stream;
      await this.video.play();
    } catch {
      this.problem.textContent = "There is no camera, or this page may not use it.";
    }
  }

  shoot() {
    if (!this.video.videoWidth) return;
    const canvas = h("canvas", {
      width: this.video.videoWidth,
      height: this.video.videoHeight,
    });
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    this.dialog.close();
    canvas.toBlob((photo) => this.onphoto(photo), "image/jpeg", 0.9);
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
  }
}
