// A garment: a picture of 28 × 28 pixels, and the numbers that it was drawn from.

/** The picture as an address. */
export function pixels(garment) {
  return `data:image/png;base64,${garment.image}`;
}

/** As interpolate takes it. */
export function asEnd(garment) {
  return { latent: garment.latent, category: garment.category };
}
