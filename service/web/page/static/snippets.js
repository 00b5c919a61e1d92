// The same call in the words of curl, Python and JavaScript.

import { addressOf } from "./api.js";

/**
 * A call as programs.
 * @param {Object} call As `ask` takes it.
 * @returns {Object[]} For each: `name`, and its `text`.
 */
export function snippets(call) {
  return [
    { name: "curl", text: asCurl(call) },
    { name: "Python", text: asPython(call) },
    { name: "JavaScript", text: asJavaScript(call) },
  ];
}

function asCurl(call) {
  const address = `'${addressOf(call)}'`;
  if (call.file) {
    const type = call.file.type || "application/octet-stream";
    return `curl ${address} \\\n  -H 'Content-Type: ${type}' \\\n  --data-binary @${call.name}`;
  }
  const body = JSON.stringify(call.json).replaceAll("'", "'\\''");
  return `curl ${address} \\\n  -H 'Content-Type: application/json' \\\n  -d '${body}'`;
}

function asPython(call) {
  const address = JSON.stringify(String(addressOf(call)));
  if (call.file) {
    const type = call.file.type || "application/octet-stream";
    return `import httpx

with open(${JSON.stringify(call.name)}, "rb") as file:
    answer = httpx.post(
        ${address},
        content=file.read(),
        headers={"Content-Type": "${type}"},
    )
print(answer.json())`;
  }
  return `import httpx

answer = httpx.post(
    ${address},
    json=${python(call.json)},
)
print(answer.json())`;
}

/** A value of JSON as Python writes it. */
export function python(value) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    const pairs = Object.entries(value).map(([k, v]) => `${JSON.stringify(k)}: ${python(v)}`);
    return `{${pairs.join(", ")}}`;
  }
  return JSON.stringify(value);
}

function asJavaScript(call) {
  const address = JSON.stringify(String(addressOf(call)));
  const type = call.file ? call.file.type || "application/octet-stream" : "application/json";
  const body = call.file
    ? `file, // ${call.name}, from <input type="file">`
    : `JSON.stringify(${JSON.stringify(call.json)}),`;
  return `const answer = await fetch(${address}, {
  method: "POST",
  headers: { "Content-Type": "${type}" },
  body: ${body}
});
console.log(await answer.json());`;
}
