// The live view: what each model is doing now, from /metrics.

import { readText } from "./api.js";
import { Burst } from "./burst.js";
import { Chart } from "./chart.js";
import { h, unique } from "./dom.js";
import { byModel, change, parse } from "./prometheus.js";

const EVERY_MS = 1000;
const MOST = 60; // readings that are kept: a minute
const OVER = 5; // readings over which latencies are told: with fewer they jump

const milliseconds = (value) =>
  value === null ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
const plain = (value) => (value === null ? "–" : value.toFixed(value < 10 ? 1 : 0));
const COLUMNS = [
  ["Requests/s", ({ rate }) => plain(rate)],
  ["p50", ({ p50 }) => milliseconds(p50)],
  ["p95", ({ p95 }) => milliseconds(p95)],
  ["p99", ({ p99 }) => milliseconds(p99)],
  ["Rows a batch", ({ batch }) => plain(batch)],
  ["Waiting", ({ waiting }) => String(waiting)],
];

/** The section of the page that shows it. */
export class LiveView {
  constructor(section) {
    const id = unique("watched");
    this.readings = [];
    this.watched = h("select", { id, onchange: () => this.draw() });
    this.charts = {
      rate: new Chart("Requests a second", { say: plain, least: 5 }),
      latency: new Chart("Latency, p50 and p95", {
        lines: ["line", "second"],
        say: milliseconds,
        least: 5,
      }),
      batch: new Chart("Mean rows in a batch", { say: plain, least: 2 }),
      waiting: new Chart("Rows waiting", { say: plain, least: 2 }),
    };
    this.rows = h("tbody");
    this.burst = new Burst(() => this.read());
    section.append(
      h(
        "header",
        {},
        h("h2", { id: "live-title" }, "Live"),
        h("div", { class: "field inline" }, h("label", { for: id }, "Charts of"), this.watched),
      ),
      h(
        "p",
        { class: "what" },
        "What the service is doing this second. A lone request is computed at once; what arrives meanwhile shares the next batch. See it happen:",
      ),
      this.burst.node,
      h(
        "div",
        { class: "charts" },
        Object.values(this.charts).map((each) => each.node),
      ),
      this.table(),
    );
    this.watch(section);
  }

  table() {
    return h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "All models" },
      h(
        "table",
        {},
        h("caption", { class: "unseen" }, "The last seconds, model by model"),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Model"),
            COLUMNS.map(([title]) => h("th", { scope: "col" }, title)),
          ),
        ),
        this.rows,
      ),
    );
  }

  /** @param {string[]} names The models that answer. */
  offer(names) {
    this.burst.offer(names);
    const same = [...this.watched.options].map((each) => each.value);
    if (same.join() === names.join()) return;
    const chosen = this.watched.value;
    this.watched.replaceChildren(
      ...names.map((name) => h("option", { selected: name === chosen }, name)),
    );
  }

  /** Reads while somebody looks. */
  watch(section) {
    let seen = false;
    new IntersectionObserver(
      (entries) => {
        seen = entries.at(-1).isIntersecting;
        if (seen) this.read();
      },
      { rootMargin: "200px" },
    ).observe(section);
    setInterval(() => seen && document.visibilityState === "visible" && this.read(), EVERY_MS);
  }

  async read() {
    if (this.reading) return;
    this.reading = true;
    try {
      const models = byModel(parse(await readText("metrics")));
      this.readings.push({ at: performance.now(), models });
      if (this.readings.length > MOST + OVER) this.readings.shift();
      this.draw();
    } catch {
      // the next one will do
    } finally {
      this.reading = false;
    }
  }

  draw() {
    const last = this.readings.length - 1;
    if (last < 1) return;
    this.rows.replaceChildren(
      ...[...this.watched.options].map(({ value }) =>
        this.row(value, this.between(last - OVER, last, value)),
      ),
    );
    const steps = this.readings.map((_, index) => index).slice(1);
    const series = steps.map((index) => this.between(index - 1, index, this.watched.value));
    const smooth = steps.map((index) => this.between(index - OVER, index, this.watched.value));
    this.charts.rate.show([series.map(({ rate }) => rate)], MOST);
    this.charts.latency.show(
      [smooth.map(({ p50 }) => p50), smooth.map(({ p95 }) => p95)],
      MOST,
    );
    this.charts.batch.show([smooth.map(({ batch }) => batch)], MOST);
    this.charts.waiting.show([series.map(({ waiting }) => waiting)], MOST);
  }

  between(first, last, name) {
    const [before, now] = [this.readings[Math.max(0, first)], this.readings[last]];
    const nothing = { requests: 0, buckets: new Map(), rows: 0, batches: 0, waiting: 0 };
    return change(
      before.models.get(name),
      now.models.get(name) ?? nothing,
      (now.at - before.at) / 1000,
    );
  }

  row(name, values) {
    const chosen = name === this.watched.value;
    return h(
      "tr",
      { class: chosen ? "chosen" : "" },
      h("th", { scope: "row" }, name),
      COLUMNS.map(([, say]) => h("td", {}, say(values))),
    );
  }
}
