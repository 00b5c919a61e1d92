// A small chart of what happened in the last minute.

import { h, s } from "./dom.js";

const [WIDTH, HEIGHT] = [240, 64];

/** A title, the newest value, and lines over the last readings. */
export class Chart {
  /**
   * @param {string} title What it shows.
   * @param {Object} options `lines`, the names of them; `say`, a value in words; `least`,
   *   the smallest top of the scale.
   */
  constructor(title, { lines = ["line"], say, least }) {
    this.say = say;
    this.least = least;
    this.value = h("b", {}, "–");
    this.paths = lines.map((name) => s("path", { class: `trace ${name}` }));
    this.area = s("path", { class: "area" });
    this.top = h("span", { class: "top-of" });
    this.picture = s(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
      this.area,
      this.paths,
    );
    this.node = h(
      "figure",
      { class: "chart" },
      h("figcaption", {}, title, " ", this.value),
      h("div", { class: "plot" }, this.picture, this.top),
    );
  }

  /**
   * @param {(?number)[][]} series For each line its values, the newest last; null = none.
   * @param {number} most Readings that fit.
   */
  show(series, most) {
    const newest = series.map((values) => values.at(-1) ?? null);
    this.value.textContent = newest.every((each) => each === null)
      ? "–"
      : newest.map((each) => (each === null ? "–" : this.say(each))).join(" · ");
    const highest = Math.max(this.least, ...series.flat().filter((each) => each !== null));
    this.top.textContent = this.say(highest);
    const points = (values) =>
      values.map((value, index) => [
        WIDTH - ((values.length - 1 - index) * WIDTH) / (most - 1),
        value === null ? null : HEIGHT - 2 - (value / highest) * (HEIGHT - 4),
      ]);
    this.paths.forEach((path, index) => path.setAttribute("d", draw(points(series[index]))));
    this.area.setAttribute("d", fillBelow(points(series[0])));
  }
}

function draw(points) {
  let pen = "M";
  const parts = [];
  for (const [x, y] of points) {
    if (y === null) pen = "M";
    else {
      parts.push(`${pen}${x.toFixed(1)} ${y.toFixed(1)}`);
      pen = "L";
    }
  }
  return parts.join("");
}

function fillBelow(points) {
  const known = points.map(([x, y]) => [x, y ?? HEIGHT]);
  if (!known.length) return "";
  return `${draw(known)}L${known.at(-1)[0].toFixed(1)} ${HEIGHT}L${known[0][0].toFixed(1)} ${HEIGHT}Z`;
}
