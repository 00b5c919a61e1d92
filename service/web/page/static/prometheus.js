// Reads what `/metrics` says, and what happened between two readings.

const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/**
 * The samples of Prometheus's text format.
 * @param {string} text The exposition.
 * @returns {Object[]} Each with `name`, `labels` and `value`.
 */
export function parse(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = line.startsWith("servery_") && LINE.exec(line);
    if (!found) continue;
    const labels = Object.fromEntries(
      [...(found[2] ?? "").matchAll(LABEL)].map(([, name, value]) => [name, value]),
    );
    samples.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return samples;
}

/**
 * What the page shows of each model, added up over routes, answers and processes.
 * @returns {Map<string, Object>} By model: `requests`, `buckets` (by upper bound in
 *   seconds), `rows` and `batches` so far, and `waiting` rows now.
 */
export function byModel(samples) {
  const models = new Map();
  const of = (name) => {
    if (!models.has(name))
      models.set(name, { requests: 0, buckets: new Map(), rows: 0, batches: 0, waiting: 0 });
    return models.get(name);
  };
  for (const { name, labels, value } of samples) {
    if (!labels.model) continue;
    const model = of(labels.model);
    if (name === "servery_request_seconds_count") model.requests += value;
    else if (name === "servery_request_seconds_bucket") {
      const bound = Number(labels.le === "+Inf" ? Infinity : labels.le);
      model.buckets.set(bound, (model.buckets.get(bound) ?? 0) + value);
    } else if (name === "servery_batch_rows_sum") model.rows += value;
    else if (name === "servery_batch_rows_count") model.batches += value;
    else if (name === "servery_waiting_rows") model.waiting += value;
  }
  return models;
}

const NOTHING = { requests: 0, buckets: new Map(), rows: 0, batches: 0, waiting: 0 };

/**
 * What a model did between two readings.
 * @param {?Object} before As `byModel` gives it.
 * @param {Object} now Likewise.
 * @param {number} seconds Between them.
 */
export function change(before, now, seconds) {
  const was = before ?? NOTHING;
  const batches = now.batches - was.batches;
  const quantile = quantiles(was.buckets, now.buckets);
  return {
    rate: Math.max(0, now.requests - was.requests) / seconds,
    p50: quantile(0.5),
    p95: quantile(0.95),
    p99: quantile(0.99),
    batch: batches > 0 ? (now.rows - was.rows) / batches : null,
    waiting: now.waiting,
  };
}

/** Milliseconds below which a share of requests stayed, in a straight line within a bucket. */
function quantiles(before, now) {
  const bounds = [...now.keys()].sort((one, other) => one - other);
  const counts = bounds.map((bound) => now.get(bound) - (before.get(bound) ?? 0));
  const total = counts.at(-1) ?? 0;
  return (share) => {
    if (total <= 0) return null;
    const wanted = share * total;
    const index = counts.findIndex((each) => each >= wanted);
    const [low, below] = index > 0 ? [bounds[index - 1], counts[index - 1]] : [0, 0];
    if (bounds[index] === Infinity) return low * 1000;
    const inside = counts[index] - below;
    return 1000 * (low + (bounds[index] - low) * (inside > 0 ? (wanted - below) / inside : 1));
  };
}
