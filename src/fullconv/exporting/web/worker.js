// Runs the net beside the page, so that the page answers meanwhile. ONNX Runtime Web stands before
// this text in the same script, with what it exports as `ort`.
let session = null, facts = null;

// gzip in base64 -> the bytes
async function unpacked(text) {
  const packed = Uint8Array.fromBase64?.(text) ?? fromBase64(text);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fromBase64(text) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = letters.charCodeAt(at);
  return bytes;
}

async function load(message) {
  facts = message.facts;
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = 1; // more need headers that a file on the disk does not have
  ort.env.wasm.wasmBinary = (await unpacked(message.binary)).buffer;
  session = await ort.InferenceSession.create(await unpacked(message.graph), {executionProviders: ["wasm"]});
  return {};
}

// RGBA rows -> of each output its class map and how probable each pixel's class is, 0 to 255
async function segment({rgba, width, height}) {
  const began = performance.now();
  const rgb = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = rgba[from];
    rgb[to + 1] = rgba[from + 1];
    rgb[to + 2] = rgba[from + 2];
  }
  const image = new ort.Tensor("uint8", rgb, [1, height, width, 3]);
  const result = (await session.run({[facts.input]: image}))[facts.result];
  const read = facts.is_classes ? mapOfClasses : mapOfScores;
  const maps = facts.outputs.map((output, index) => read(result.data, width * height, output, index));
  result.dispose();
  return {maps, seconds: (performance.now() - began) / 1000};
}

// Scores (K, H, W) of all outputs -> the first best class of one, and its softmax
function mapOfScores(scores, size, {first, classes}) {
  const map = new Uint16Array(size), best = scores.slice(first * size, (first + 1) * size);
  for (let index = 1; index < classes.length; index++) {
    const from = (first + index) * size;
    for (let at = 0; at < size; at++) {
      if (scores[from + at] > best[at]) {
        best[at] = scores[from + at];
        map[at] = index;
      }
    }
  }
  const sum = new Float32Array(size);
  for (let index = 0; index < classes.length; index++) {
    const from = (first + index) * size;
    for (let at = 0; at < size; at++) sum[at] += Math.exp(scores[from + at] - best[at]);
  }
  return {map, probability: Uint8Array.from(sum, (value) => Math.round(255 / value))};
}

// Classes (H, W) or (H, W, outputs), counted on from output to output
function mapOfClasses(values, size, {first}, index) {
  const map = new Uint16Array(size), step = facts.outputs.length;
  for (let at = 0; at < size; at++) map[at] = values[step * at + index] - first;
  return {map, probability: null};
}

self.onmessage = async ({data}) => {
  try {
    const answer = await (data.kind === "load" ? load(data) : segment(data));
    self.postMessage({number: data.number, ...answer});
  } catch (error) {
    self.postMessage({number: data.number, error: String(error?.message ?? error)});
  }
};
