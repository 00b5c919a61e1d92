// A body that a signature takes, made of nothing but the signature.

const SIDES = 2; // of a free dimension behind the first one
const FLOATS = /^(b?float|complex)/;

/**
 * A valid body of TensorFlow Serving's predict call.
 * @param {Object} contract Of a version.
 * @param {string} name One of its `signatures`.
 */
export function exampleBody(contract, name) {
  const { inputs } = contract.signatures[name];
  const body = name === "serving_default" ? {} : { signature_name: name };
  const needed = inputs.filter((each) => each.default === null);
  if (inputs.every((each) => each.shape.length > 0 && each.shape[0] === null)) {
    const row = (each) => valueOf(each, each.shape.slice(1), contract);
    return { ...body, instances: [rowOf(inputs.length, needed, row)] };
  }
  return {
    ...body,
    inputs: rowOf(inputs.length, needed, (each) => valueOf(each, each.shape, contract)),
  };
}

function rowOf(number, inputs, value) {
  if (number === 1 && inputs.length === 1) return value(inputs[0]);
  return Object.fromEntries(inputs.map((each) => [each.name, value(each)]));
}

function valueOf(spec, shape, contract) {
  if (!shape.length) return leafOf(spec, contract);
  const [length, ...rest] = shape;
  return Array.from({ length: length ?? SIDES }, () => valueOf(spec, rest, contract));
}

function leafOf({ name, dtype }, contract) {
  const words = contract.constants?.words?.[name];
  if (dtype === "string") return words?.[0] ?? "text";
  if (dtype === "bool") return true;
  return FLOATS.test(dtype) ? 0.5 : 1;
}
