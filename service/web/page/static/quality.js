// What was measured of a model, in plain words and beside the baseline.

import { capital, count, percent, words } from "./dom.js";

/**
 * How good a version is.
 * @param {?Object} manifest Of the version.
 * @returns {Object} `sentences`, the first of which says most; `bars`, shares of right
 *   answers with a `label` each, this model's first; `rest`, pairs of name and number.
 */
export function describeQuality(manifest) {
  const metrics = manifest?.metrics ?? {};
  const labels = manifest?.labels ?? [];
  if (metrics.drawing) return describeDrawing(metrics);
  if (metrics.top1) return describePhotos(metrics, labels);
  const compared = findComparison(metrics);
  if (compared) return describeComparison(compared, labels);
  if (metrics.test_read) {
    // Its last class, "none of them", is never the answer.
    const test = { ...metrics.test, ...metrics.test_read };
    return describeTest({ ...metrics, test }, labels.slice(0, -1));
  }
  if (metrics.test?.accuracy !== undefined) return describeTest(metrics, labels);
  if (metrics.test?.mean_absolute_error !== undefined) return describeError(metrics.test);
  const { quoted: _, ...measured } = metrics; // others' figures, in photo's version 1
  const rest = flatten(measured).slice(0, 12);
  const sentence = rest.length
    ? "These figures came with it; what they mean its author knows."
    : "Nothing is known of how good it is: it came without any measurement.";
  return { sentences: [sentence], bars: [], rest };
}

function describeTest(metrics, labels) {
  const { test, short_sentences: short, held_out_speakers: strangers } = metrics;
  const wrong = test.errors ?? Math.round((1 - test.accuracy) * test.rows);
  const guess = labels.length
    ? ` Guessing among ${labels.length} answers would get ${count(test.rows * (1 - 1 / labels.length))} wrong.`
    : "";
  const sentences = [
    `Of ${count(test.rows)} examples that it had never seen it got ${count(wrong)} wrong: one in ${count(test.rows / Math.max(wrong, 1))}.${guess}`,
    ...calibration(test.expected_calibration_error),
  ];
  if (short)
    sentences.push(
      `Of ${short.rows} short sentences with traps such as “not bad at all” it got ${percent(short.accuracy, 0)} right.`,
    );
  const bars = [
    { label: "this model", value: test.accuracy, error: test.accuracy_standard_error },
  ];
  if (strangers) {
    sentences.unshift(describeStrangers(strangers));
    bars.unshift({
      label: "speakers never heard",
      value: strangers.accuracy,
      error: strangers.accuracy_standard_error,
    });
    bars[1].label = "speakers it knows";
  }
  if (labels.length) bars.push({ label: "guessing", value: 1 / labels.length });
  return { sentences, bars, rest: [] };
}

function describeStrangers({ accuracy, accuracy_standard_error: error, by_speaker: each }) {
  const shares = Object.values(each).map((one) => one.accuracy);
  const [least, most] = [Math.min(...shares), Math.max(...shares)];
  return `Of what speakers say whom it had never heard it gets ${percent(accuracy, 1)} right (± ${percent(error, 1)}): of the worst ${percent(least, 0)}, of the best ${percent(most, 0)}.`;
}

/** The methods that were compared on the same rows: the innermost object that has ours. */
function findComparison(metrics) {
  for (const [name, value] of Object.entries(metrics)) {
    if (typeof value !== "object" || value === null) continue;
    if (value.servery) return { name, methods: value, rows: value.rows ?? metrics.rows };
    const inner = findComparison(value);
    if (inner) return { ...inner, rows: inner.rows ?? value.rows };
  }
  return null;
}

function describeComparison({ methods, rows }, labels) {
  const { servery, ...others } = methods;
  const right = servery.accuracy.mean;
  const rivals = Object.entries(others).filter(([, each]) => each?.accuracy);
  const error = Math.sqrt((right * (1 - right)) / rows);
  const compared = rivals.map(([name, each]) =>
    compare(right - each.accuracy.mean, words(name), error),
  );
  const sentences = [
    `Wrong about once in ${count(1 / (1 - right))}: judged on ${count(rows)} rows, each by a copy that had not seen it. ${compared.join(" ")}`,
  ];
  if (servery.auc && labels.length === 2) {
    sentences.push(
      `Of one “${labels[1]}” and one “${labels[0]}” it gives the higher probability to the right one ${count(servery.auc.mean * 100)} times in 100.`,
    );
  }
  sentences.push(...calibration(servery.expected_calibration_error?.mean));
  const bars = [
    { label: "this model", value: right, error: servery.accuracy.sd },
    ...rivals.map(([name, each]) => ({
      label: words(name),
      value: each.accuracy.mean,
      error: each.accuracy.sd,
    })),
  ];
  return { sentences, bars, rest: [] };
}

/** @param {number} error What so many rows leave uncertain: the standard error of a share. */
function compare(difference, rival, error) {
  const points = `${Math.abs(difference * 100).toFixed(1)} points`;
  if (Math.abs(difference) < error)
    return `${capital(rival)} does as well on the same rows: ${points} apart, within the error of measurement.`;
  return `${capital(rival)} is ${points} ${difference > 0 ? "worse" : "better"} on the same rows.`;
}

function calibration(error) {
  if (error === undefined) return [];
  return [
    `Its probabilities mean what they say: off by ${(error * 100).toFixed(1)} points on average.`,
  ];
}

function describeDrawing({ drawing, floor }) {
  const [drawn, real] = [drawing.category_accuracy.mean, drawing.real_category_accuracy.mean];
  const sentences = [
    `A judge that knows real clothing recognises what was asked for in ${percent(drawn, 1)} of its drawings; of real photographs, in ${percent(real, 1)}.`,
    `Fréchet distance to real pictures: ${drawing.frechet_distance.toFixed(2)}. Between two halves of the real ones it is ${floor.frechet_distance.toFixed(2)}; 0 would mean that nobody can tell them apart.`,
    `Its variety reaches ${percent(drawing.recall, 0)} of what real clothing shows (recall); ${percent(drawing.precision, 0)} of its drawings would pass as real (precision).`,
  ];
  const bars = [
    { label: "its drawings", value: drawn },
    { label: "real photographs", value: real },
  ];
  return { sentences, bars, rest: [] };
}

function describePhotos({ photos, top1, top5, warning, calibration: sure }, labels) {
  const error = ({ share, rows }) => Math.sqrt((share * (1 - share)) / rows);
  return {
    sentences: [
      `Of ${count(photos.rows)} photographs it named ${percent(top1.share, 0)} rightly at once, ${percent(top5.share, 0)} among five answers. It had learned from ${count(photos.learnt_from)} of them: on others it does worse.`,
      `Where it warns, ${percent(warning.warned.share, 0)} were right; elsewhere ${percent(warning.others.share, 0)}.`,
      ...calibration(sure.expected_calibration_error),
    ],
    bars: [
      { label: "first answer", value: top1.share, error: error(top1) },
      { label: "one of five", value: top5.share, error: error(top5) },
      { label: "guessing", value: 1 / labels.length },
    ],
    rest: [],
  };
}

function describeError(test) {
  const most = test.largest_error === undefined ? "" : `, ${test.largest_error} at most`;
  return {
    sentences: [
      `Off by ${test.mean_absolute_error} on average${most}, on ${count(test.rows)} points that it had never seen.`,
    ],
    bars: [],
    rest: [],
  };
}

function flatten(metrics, prefix = "") {
  return Object.entries(metrics).flatMap(([name, value]) => {
    const path = `${prefix}${words(name)}`;
    if (typeof value === "number") return [[capital(path), value]];
    return typeof value === "object" && value ? flatten(value, `${path}, `) : [];
  });
}
