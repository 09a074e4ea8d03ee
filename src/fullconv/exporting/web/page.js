// The page: a photo comes in, the worker segments it, its classes lie over it.

const $ = (id) => document.getElementById(id);
const facts = JSON.parse($("facts").textContent);
let shown = null; // {width, height, maps, name}: what is on the stage
let alone = null; // the one class that is shown, or null
let latest = 0; // number of the photo that was chosen last

function say(text, state = "") {
  $("status").textContent = text;
  $("status").className = state;
}

// --- the worker

function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

async function workerUrl() {
  const stream = new Blob([fromBase64($("worker").textContent)]).stream();
  const script = await new Response(stream.pipeThrough(new DecompressionStream("gzip"))).blob();
  return URL.createObjectURL(new Blob([script], {type: "text/javascript"}));
}

const waiting = new Map(); // number of a message -> who waits for its answer
let worker = null, count = 0;

function ask(message, transfer = []) {
  const number = ++count;
  worker.postMessage({number, ...message}, transfer);
  return new Promise((resolve, reject) => waiting.set(number, {resolve, reject}));
}

function answered({data}) {
  const {resolve, reject} = waiting.get(data.number);
  waiting.delete(data.number);
  if (data.error) reject(new Error(data.error));
  else resolve(data);
}

function failed(event) {
  for (const {reject} of waiting.values()) reject(new Error(event.message || "the worker ended"));
  waiting.clear();
}

async function start() {
  worker = new Worker(await workerUrl());
  worker.onmessage = answered;
  worker.onerror = failed;
  const {textContent: binary} = $("binary"), {textContent: graph} = $("graph");
  await ask({kind: "load", facts, binary, graph});
}

say("Loading the net ...", "busy");
let ready = start();
ready.then(() => say("Ready."), (error) => say(`This browser cannot run the net: ${error.message}`, "error"));

// A runtime that has failed, as for want of memory, is not used again.
async function restart() {
  worker?.terminate();
  failed({message: "restarted"});
  ready = start();
  await ready.catch(() => {});
}

// --- a photo comes in

// Upright, in the file's own values without colour management, transparency over white: as in
// Python. Never enlarged. -> {canvas, from: [width, height]}
async function drawn(file, side) {
  const options = {imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none"};
  const picture = await createImageBitmap(file, options).catch(() => {
    throw new Error(`This browser cannot read ${file.name || "the photo"}: use a JPEG, PNG or WebP file.`);
  });
  const scale = Math.min(1, side / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const from = [picture.width, picture.height];
  picture.close();
  return {canvas, from};
}

async function show(file) {
  const mine = ++latest;
  try {
    await ready;
    if (mine !== latest) return;
    say("Segmenting ...", "busy");
    const {canvas, from} = await drawn(file, Number($("side").value));
    const {width, height} = canvas;
    const rgba = canvas.getContext("2d").getImageData(0, 0, width, height).data;
    const {maps, seconds} = await ask({kind: "segment", rgba, width, height}, [rgba.buffer])
      .catch(async (error) => {
        await restart();
        throw new Error(`The net failed on ${width} x ${height} pixels (${error.message}): choose a smaller size.`);
      });
    if (mine !== latest) return;
    put({width, height, maps, canvas, name: stem(file.name)});
    const reduced = from[0] === width && from[1] === height ? "" : `${from[0]} x ${from[1]} reduced to `;
    say(`${reduced}${width} x ${height} pixels in ${seconds.toFixed(1)} s`);
  } catch (error) {
    if (mine === latest) say(error.message, "error");
  }
}

function put(result) {
  shown = result;
  const {width, height, canvas} = result;
  for (const id of ["photo", "classes"]) {
    $(id).width = width;
    $(id).height = height;
  }
  $("photo").getContext("2d").drawImage(canvas, 0, 0);
  // As large as the window allows, small photos at most fourfold.
  $("stage").style.width = `min(100%, ${4 * width}px, ${(74 * width / height).toFixed(2)}vh)`;
  $("empty").hidden = true;
  for (const id of ["stage", "right"]) $(id).hidden = false;
  $("readout").textContent = "";
  refresh();
}

// --- what is shown of it

const chosen = () => Number($("output").value);
const classes = () => facts.outputs[chosen()].classes;
const map = () => shown.maps[chosen()].map;

function refresh() {
  const counts = new Array(classes().length).fill(0);
  for (const index of map()) counts[index] += 1;
  if (!counts[alone]) alone = null;
  const rows = counts.map((pixels, index) => ({pixels, index, ...classes()[index]}))
    .sort((a, b) => b.pixels - a.pixels || a.index - b.index);
  $("list").replaceChildren(...rows.filter(({pixels}) => pixels).map(row));
  const absent = rows.filter(({pixels}) => !pixels);
  $("absent").textContent = absent.length ? `Not found: ${absent.map(({name}) => name).join(", ")}` : "";
  repaint();
}

function repaint() {
  const pen = $("classes").getContext("2d");
  const image = pen.createImageData(shown.width, shown.height);
  const colors = new Uint32Array(classes().map(({color: [red, green, blue]}, index) =>
    alone === null || alone === index ? (255 << 24 | blue << 16 | green << 8 | red) >>> 0 : 0));
  new Uint32Array(image.data.buffer).set(Uint32Array.from(map(), (index) => colors[index]));
  pen.putImageData(image, 0, 0);
}

function row({index, name, color, pixels}) {
  const button = document.createElement("button"), part = {};
  button.type = "button";
  button.setAttribute("aria-pressed", String(alone === index));
  for (const kind of ["bar", "swatch", "name", "share"]) {
    part[kind] = button.appendChild(document.createElement("span"));
    part[kind].className = kind;
  }
  const share = pixels / map().length;
  part.bar.style.width = `${100 * share}%`;
  part.swatch.style.background = `rgb(${color})`;
  part.name.textContent = name;
  part.share.textContent = share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`;
  button.addEventListener("click", () => {
    alone = alone === index ? null : index;
    refresh();
    [...$("list").children].find((each) => each.querySelector(".name").textContent === name)?.focus();
  });
  return button;
}

function read(event) {
  const box = $("classes").getBoundingClientRect();
  const at = (value, size) => Math.min(size - 1, Math.max(0, Math.floor(value * size)));
  const x = at((event.clientX - box.left) / box.width, shown.width);
  const y = at((event.clientY - box.top) / box.height, shown.height);
  const {map, probability} = shown.maps[chosen()], pixel = y * shown.width + x;
  const probable = probability ? `, ${Math.round(probability[pixel] / 2.55)} %` : "";
  $("readout").textContent = `${classes()[map[pixel]].name}${probable} at ${x}, ${y}`;
}

// --- downloads

// The name of a photo without folders and ending.
function stem(name) {
  return (name || "").split(/[\\/]/).pop().replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "_") || "photo";
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function saveMask() {
  save(await maskPng(map(), shown.width, shown.height, facts.outputs[chosen()].palette), `${shown.name}.png`);
}

function saveOverlay() {
  const canvas = document.createElement("canvas");
  canvas.width = shown.width;
  canvas.height = shown.height;
  const pen = canvas.getContext("2d"), name = `${shown.name}_overlay.png`;
  pen.drawImage($("photo"), 0, 0);
  pen.globalAlpha = $("opacity").value / 100;
  pen.drawImage($("classes"), 0, 0);
  canvas.toBlob((blob) => save(blob, name), "image/png");
}

// --- who does what

let file = null;

function choose(files) {
  const given = [...(files ?? [])][0];
  if (!given) return;
  file = given;
  show(file);
}

$("output").replaceChildren(...facts.outputs.map(({name}, index) => new Option(name, index)));
$("output-field").hidden = facts.outputs.length < 2;
$("output").addEventListener("change", () => { alone = null; if (shown) refresh(); });
$("side").addEventListener("change", () => { if (file) show(file); });
$("file").addEventListener("change", (event) => {
  choose(event.target.files);
  event.target.value = ""; // the same photo again is a change, too
});
$("opacity").addEventListener("input", () => {
  $("opacity-value").textContent = `${$("opacity").value} %`;
  $("classes").style.opacity = $("opacity").value / 100;
});
$("stage").addEventListener("pointermove", read);
$("stage").addEventListener("pointerdown", read);
$("get-mask").addEventListener("click", saveMask);
$("get-overlay").addEventListener("click", saveOverlay);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  choose(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => choose(event.clipboardData.files));
