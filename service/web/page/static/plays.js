// Which play belongs to a model: one made for it, or one made of its task or signature.

const OWN = new Set([
  "digits",
  "sentiment",
  "party",
  "mammogram",
  "photo",
  "clothing_vae",
  "clothing_gan",
]);
const PICTURES = new Set(["image-classification", "image-segmentation"]);
const TABLES = new Set(["tabular-classification", "tabular-regression"]);

/** The names of those whose names alone say little. */
export const TITLES = {
  clothing_vae: "Clothing, by a VAE",
  clothing_gan: "Clothing, by a GAN",
};

/**
 * The module that plays a model.
 * @param {string} name The model's.
 * @param {Object} detail What `/v1/models/<name>` says.
 * @returns {Promise<Object>} `build({name, detail, version})`, the nodes of its card; and
 *   `example({name, detail, version})`, a call that works.
 */
export function findPlay(name, detail) {
  if (OWN.has(name)) return own(name);
  const kind = detail.task?.kind;
  if (PICTURES.has(kind)) return import("./file_task.js");
  if (kind === "audio-classification") return import("./sound_task.js");
  if (TABLES.has(kind)) return import("./table_task.js");
  if (kind === "text-classification") return import("./text_task.js");
  if (kind === "image-generation") return import("./generation_task.js");
  if (kind === "text-generation") return import("./writing_task.js");
  return import("./tensors.js");
}

function own(name) {
  return import(`./${name.replace(/_(vae|gan)$/, "")}.js`);
}
