// Asks the service, and says its refusals as the sentences that it answers.

/** Where the service is: below whatever prefix a proxy puts before it. */
export const ROOT = new URL("../", import.meta.url);

const KEY = "servery-api-key"; // where the browser keeps it until the tab is closed
let wasDeclined = false;

/** The service said no; `message` is what it said. */
export class Refused extends Error {
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * Asks for what can be read.
 * @param {string} path Below the root, without a slash at its beginning.
 * @returns {Promise<Object>} The JSON of the answer.
 */
export async function read(path) {
  const response = await reach(new URL(path, ROOT), {});
  if (!response.ok) await refuse(response);
  return response.json();
}

/** The text at a path. */
export async function readText(path) {
  const response = await reach(new URL(path, ROOT), {});
  if (!response.ok) await refuse(response);
  return response.text();
}

/**
 * Asks a model.
 * @param {Object} call `path`; perhaps `query`; and `json`, or a `file` with its `name`.
 * @returns {Promise<Object>} `data`, the answer; `timing`, see `readTiming`; the `call`.
 */
export async function ask(call) {
  const began = performance.now();
  const response = await send(call);
  const data = await response.json();
  const total = performance.now() - began;
  return { call, data, timing: readTiming(response.headers.get("server-timing"), total) };
}

/**
 * Asks a model that answers while it works, by server-sent events.
 * @param {Object} call `path`, `json`.
 * @param {function(string, Object)} take Called with the name and the data of each event.
 * @param {AbortSignal} signal Ends it: the service then does no more of it.
 */
export async function follow(call, take, signal) {
  const response = await send(call, { accept: "text/event-stream" }, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block.split("\n").map((line) => [
          line.slice(0, line.indexOf(":")),
          line.slice(line.indexOf(":") + 2),
        ]),
      );
      const data = JSON.parse(fields.data);
      if (fields.event === "error") throw new Refused(data.error, 200, data.code);
      take(fields.event ?? "message", data);
    }
  }
}

/** An answer that is no refusal; who is asked for an API key may give one. */
async function send(call, headers = {}, signal = undefined) {
  const key = sessionStorage.getItem(KEY);
  const request = (shown) => {
    const made = requestOf(call, shown);
    return { ...made, headers: { ...made.headers, ...headers }, signal };
  };
  let response = await reach(addressOf(call), request(key));
  if (response.status === 401 && hasNewKey(key)) {
    const other = sessionStorage.getItem(KEY);
    response = await reach(addressOf(call), request(other));
  }
  if (!response.ok) await refuse(response);
  return response;
}

/** The address of a call, whole. */
export function addressOf(call) {
  const address = new URL(call.path, ROOT);
  for (const [name, value] of Object.entries(call.query ?? {})) {
    address.searchParams.set(name, value);
  }
  return address;
}

/** Whether there is another key than the one that was refused; people are asked once. */
function hasNewKey(refused) {
  if (sessionStorage.getItem(KEY) === refused && !wasDeclined) {
    const given = prompt("This service asks for an API key; it is kept until you leave.");
    if (given?.trim()) sessionStorage.setItem(KEY, given.trim());
    wasDeclined = !given?.trim();
  }
  return sessionStorage.getItem(KEY) !== refused;
}

function requestOf(call, key) {
  const headers = { "content-type": call.file ? call.file.type : "application/json" };
  if (key) headers["x-api-key"] = key;
  return { method: "POST", headers, body: call.file ?? JSON.stringify(call.json) };
}

async function reach(address, request) {
  try {
    return await fetch(address, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The service cannot be reached. Is it running?", 0, "unreachable");
  }
}

async function refuse(response) {
  let said = {};
  try {
    said = await response.json();
  } catch {
    // not ours: a proxy's page
  }
  const message = said.error ?? `The service answered ${response.status}.`;
  throw new Refused(message, response.status, said.code);
}

/**
 * Reads `Server-Timing`.
 * @param {?string} header `decode;dur=0.41, queue;dur=0.10, compute;dur=1.20, batch;desc=4`.
 * @param {number} total Milliseconds that the browser waited.
 * @returns {Object} `stages`, milliseconds by name; `rest`, what was spent elsewhere;
 *   `total`; and `batch`, rows, if it was told.
 */
export function readTiming(header, total) {
  const stages = {};
  let batch = null;
  for (const part of (header ?? "").split(", ")) {
    const [name, said] = part.split(";");
    const [key, value] = (said ?? "").split("=");
    if (key === "dur") stages[name] = Number(value);
    if (name === "batch") batch = Number(value);
  }
  const spent = Object.values(stages).reduce((sum, each) => sum + each, 0);
  return { stages, batch, total, rest: Math.max(0, total - spent) };
}
