// Samples to a WAV file: one channel of 16 bits, as RIFF has it.

const HEAD = 44; // bytes

/**
 * A WAV.
 * @param {Float32Array[]} blocks Of samples, -1 to 1.
 * @param {number} rate Samples a second.
 * @returns {Blob}
 */
export function toWav(blocks, rate) {
  const count = blocks.reduce((sum, block) => sum + block.length, 0);
  const view = new DataView(new ArrayBuffer(HEAD + 2 * count));
  const write = (at, text) =>
    [...text].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  write(0, "RIFF");
  view.setUint32(4, HEAD - 8 + 2 * count, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes that follow, of the format
  view.setUint16(20, 1, true); // whole numbers
  view.setUint16(22, 1, true); // one channel
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); // bytes a second
  view.setUint16(32, 2, true); // bytes of a sample
  view.setUint16(34, 16, true); // bits of a sample
  write(36, "data");
  view.setUint32(40, 2 * count, true);
  let at = HEAD;
  for (const block of blocks)
    for (const sample of block) {
      view.setInt16(at, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
      at += 2;
    }
  return new Blob([view], { type: "audio/wav" });
}
