// A sound as a picture: time to the right, pitch upwards, loudness as ink.

import { h } from "./dom.js";

const RATE = 8000; // samples a second: what is above 4 kHz is not shown
const FRAME = 256; // samples of a column
const MOST_COLUMNS = 800;
const RANGE = 60; // dB below the loudest that are shown
const HANN = Float32Array.from(
  { length: FRAME },
  (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / FRAME),
);

/** A canvas that shows sounds. */
export class Spectrogram {
  constructor() {
    this.node = h("canvas", {
      class: "spectrogram",
      role: "img",
      "aria-label": "Spectrogram: time to the right, pitch upwards to 4 kHz",
      hidden: true,
    });
  }

  /**
   * Draws a sound, or nothing where the browser cannot decode it.
   * @param {Blob} file Of any kind that the browser plays.
   */
  async show(file) {
    try {
      const decoder = new OfflineAudioContext(1, 1, RATE);
      const sound = await decoder.decodeAudioData(await file.arrayBuffer());
      this.draw(sound.getChannelData(0));
    } catch {
      this.node.hidden = true;
    }
  }

  draw(samples) {
    const hop = Math.max(64, Math.ceil((samples.length - FRAME) / MOST_COLUMNS));
    const columns = Math.max(1, Math.floor((samples.length - FRAME) / hop) + 1);
    const powers = Array.from({ length: columns }, (_, column) =>
      spectrum(samples.subarray(column * hop, column * hop + FRAME)),
    );
    const loudest = powers.reduce((most, each) => Math.max(most, ...each), 1e-12);
    this.node.width = columns;
    this.node.height = FRAME / 2;
    const context = this.node.getContext("2d");
    const image = context.createImageData(columns, FRAME / 2);
    const ink = getComputedStyle(this.node).color.match(/[\d.]+/g);
    powers.forEach((power, column) =>
      power.forEach((value, bin) => {
        const shade = 1 + (10 * Math.log10(value / loudest + 1e-12)) / RANGE;
        const at = 4 * ((FRAME / 2 - 1 - bin) * columns + column);
        image.data.set([ink[0], ink[1], ink[2], 255 * Math.max(0, shade)], at);
      }),
    );
    context.putImageData(image, 0, 0);
    this.node.hidden = false;
  }
}

/** Powers of the frequencies from 0 to below 4 kHz, by a fast Fourier transform. */
function spectrum(samples) {
  const real = HANN.map((weight, n) => weight * (samples[n] ?? 0));
  const parts = transform(real, new Float32Array(FRAME));
  return parts[0].subarray(0, FRAME / 2).map((each, n) => each ** 2 + parts[1][n] ** 2);
}

/** Of a power of two; the even and the odd numbers apart, and then together. */
function transform(real, imaginary) {
  const size = real.length;
  if (size === 1) return [real, imaginary];
  const pick = (numbers, first) =>
    Float32Array.from({ length: size / 2 }, (_, n) => numbers[2 * n + first]);
  const [evenReal, evenImaginary] = transform(pick(real, 0), pick(imaginary, 0));
  const [oddReal, oddImaginary] = transform(pick(real, 1), pick(imaginary, 1));
  const [sumReal, sumImaginary] = [new Float32Array(size), new Float32Array(size)];
  for (let n = 0; n < size / 2; n += 1) {
    const [cosine, sine] = [Math.cos((-2 * Math.PI * n) / size), Math.sin((-2 * Math.PI * n) / size)];
    const turnedReal = cosine * oddReal[n] - sine * oddImaginary[n];
    const turnedImaginary = cosine * oddImaginary[n] + sine * oddReal[n];
    sumReal[n] = evenReal[n] + turnedReal;
    sumImaginary[n] = evenImaginary[n] + turnedImaginary;
    sumReal[n + size / 2] = evenReal[n] - turnedReal;
    sumImaginary[n + size / 2] = evenImaginary[n] - turnedImaginary;
  }
  return [sumReal, sumImaginary];
}
