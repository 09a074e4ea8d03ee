import {decode, greys, merged, outline, paint, percent, shrunk, stem} from "./view.js";

const $ = (id) => document.getElementById(id);
let models = [], token = "";
let file = null; // as it was chosen
let shown = null; // {answer, map, probability, name}: what is on the stage
let alone = null; // the one class that is shown, or null
let asking = null; // AbortController of what is under way
let place = null; // {x, y}: the pixel under the pointer or the cross

// --- asking the service

async function ask(path, options = {}) {
  const headers = {...options.headers, ...(token ? {Authorization: `Bearer ${token}`} : {})};
  const answer = await fetch(path, {...options, headers});
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({error: `the service answers ${answer.status}`}));
  if (answer.status === 401) $("token-form").hidden = false;
  throw new Error(said.error);
}

function segment(photo, query, signal) {
  const chosen = {model: $("model").value, output: $("output").value};
  const words = new URLSearchParams({...(chosen.output ? chosen : {model: chosen.model}), ...query});
  const headers = {"Content-Type": photo.type.startsWith("image/") ? photo.type : "application/octet-stream"};
  return ask(`v1/segment?${words}`, {method: "POST", body: photo, headers, signal});
}

async function start() {
  try {
    const said = await (await ask("v1/models")).json();
    models = said.models;
    $("model").replaceChildren(...models.map(({name, net}) => new Option(`${name} (${net})`, name)));
    $("model-field").hidden = models.length === 0;
    $("token-form").hidden = true;
    listOutputs();
    say("");
    if (file) show(file);
  } catch (error) {
    say(error.message, "error");
  }
}

function listOutputs() {
  const {outputs} = models.find(({name}) => name === $("model").value);
  $("output").replaceChildren(...outputs.map(({name}) => new Option(name, name)));
  $("output-field").hidden = outputs.length < 2;
}

// --- a photo comes in

async function show(chosen) {
  file = chosen;
  asking?.abort();
  const mine = asking = new AbortController();
  say("Segmenting ...", "busy");
  $("stage").setAttribute("aria-busy", "true");
  try {
    const photo = await shrunk(chosen, Number($("side").value)).catch(() => chosen);
    const began = performance.now();
    const answer = await (await segment(photo, {mask: "true", probability: "true"}, mine.signal)).json();
    await putOnStage(photo, answer, chosen.name);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const trust = answer.confidence == null ? "" : `, ${percent(answer.confidence)} sure on average`;
    say(`${answer.width} x ${answer.height} pixels in ${seconds} s${trust}`);
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, "error");
  } finally {
    if (mine === asking) $("stage").removeAttribute("aria-busy");
  }
}

async function putOnStage(photo, answer, name) {
  const canvas = $("photo");
  canvas.width = answer.width;
  canvas.height = answer.height;
  const pen = canvas.getContext("2d");
  const picture = await createImageBitmap(photo).catch(() => null);
  if (picture) pen.drawImage(picture, 0, 0, answer.width, answer.height);
  const probability = answer.probability ? await greys(bytesOf(answer.probability)) : null;
  $("note").textContent = [
    picture ? "" : "This browser cannot show the photo, only its classes.",
    probability ? "" : "There are no probabilities: the exported file gives classes alone.",
  ].filter(Boolean).join(" ");
  shown = {answer, map: decode(answer), probability, name: stem(name)};
  place = null;
  $("cross").hidden = true;
  if (!answer.classes[alone]?.pixels) alone = null;
  fit();
  list();
  repaint();
  read();
  for (const id of ["stage", "right", "keys"]) $(id).hidden = false;
  $("empty").hidden = true;
}

// --- what is shown of it

function say(text, state = "") {
  $("status").textContent = text;
  $("status").className = state;
}

function repaint() {
  paint($("classes"), shown.map, shown.answer, alone);
  outline($("borders"), shown.map, shown.answer, alone);
  $("borders").hidden = !$("show-borders").checked;
  $("classes").style.opacity = $("opacity").value / 100;
}

// As large as the window allows, small photos at most fourfold.
function fit() {
  const {width, height} = shown.answer;
  $("stage").style.width = `min(100%, ${4 * width}px, ${(74 * width / height).toFixed(2)}vh)`;
}

function list() {
  const rows = [...shown.answer.classes].sort((a, b) => b.pixels - a.pixels || a.index - b.index);
  const absent = rows.filter(({pixels}) => !pixels);
  $("list").replaceChildren(...rows.filter(({pixels}) => pixels).map(row));
  $("absent").hidden = absent.length === 0;
  $("absent").children[0].textContent = `Not found: ${absent.length} of ${rows.length} classes`;
  $("absent").children[1].textContent = absent.map(({name}) => name).join(", ");
}

function row({index, name, color, share}) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.index = index;
  button.setAttribute("aria-pressed", String(alone === index));
  const parts = ["bar", "swatch", "name", "share"].map((kind) => {
    const part = document.createElement("span");
    part.className = kind;
    return part;
  });
  parts[0].style.width = `${100 * share}%`;
  parts[1].style.background = `rgb(${color.join(" ")})`;
  parts[2].textContent = name;
  parts[3].textContent = percent(share);
  button.append(...parts);
  button.addEventListener("click", () => {
    alone = alone === index ? null : index;
    for (const each of $("list").children) {
      each.setAttribute("aria-pressed", String(Number(each.dataset.index) === alone));
    }
    repaint();
  });
  return button;
}

// The class, and its probability, at the place.
function read() {
  if (!place || !shown) {
    $("readout").textContent = "";
    return;
  }
  const at = place.y * shown.answer.width + place.x;
  const {name} = shown.answer.classes[shown.map[at]];
  const probable = shown.probability ? `, ${Math.round(shown.probability[at] / 2.55)} %` : "";
  $("readout").textContent = `${name}${probable} at ${place.x}, ${place.y}`;
}

function pointAt(event) {
  const box = $("classes").getBoundingClientRect();
  const {width, height} = shown.answer;
  const x = Math.floor((event.clientX - box.left) / box.width * width);
  const y = Math.floor((event.clientY - box.top) / box.height * height);
  place = {x: Math.min(width - 1, Math.max(0, x)), y: Math.min(height - 1, Math.max(0, y))};
  $("cross").hidden = true;
  read();
}

const STEPS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

function move(event) {
  const step = STEPS[event.key];
  if (!step || !shown) return;
  event.preventDefault();
  const {width, height} = shown.answer, by = event.shiftKey ? 10 : 1;
  place ??= {x: width >> 1, y: height >> 1};
  place = {
    x: Math.min(width - 1, Math.max(0, place.x + by * step[0])),
    y: Math.min(height - 1, Math.max(0, place.y + by * step[1])),
  };
  $("cross").hidden = false;
  $("cross").style.left = `${100 * (place.x + .5) / width}%`;
  $("cross").style.top = `${100 * (place.y + .5) / height}%`;
  read();
}

// --- downloads

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function bytesOf({png}) {
  const bytes = Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], {type: "image/png"});
}

function saveMask() {
  save(bytesOf(shown.answer.mask), `${shown.name}.png`);
}

async function saveOverlay() {
  const opacity = $("opacity").value / 100;
  const borders = $("show-borders").checked ? $("borders") : null;
  save(await merged($("photo"), $("classes"), opacity, borders), `${shown.name}_overlay.png`);
}

function saveJson() {
  const {mask, probability, ...rest} = shown.answer;
  save(new Blob([JSON.stringify(rest)], {type: "application/json"}), `${shown.name}.json`);
}

// --- camera

async function camera() {
  if (!navigator.mediaDevices?.getUserMedia) { // phones over plain HTTP have none: their own app
    $("capture").click();
    return;
  }
  try {
    const video = {facingMode: "environment", width: {ideal: 1920}, height: {ideal: 1080}};
    $("video").srcObject = await navigator.mediaDevices.getUserMedia({video});
    $("shutter").showModal();
    await $("video").play();
  } catch (error) {
    say(`No camera: ${error.message}`, "error");
  }
}

function closeCamera() {
  for (const track of $("video").srcObject?.getTracks() ?? []) track.stop();
  $("video").srcObject = null;
}

async function take() {
  const video = $("video"), canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  $("shutter").close();
  show(new File([blob], "camera.png", {type: "image/png"}));
}

// --- who does what

const first = (files) => [...(files ?? [])].find((each) => each.size >= 0);

for (const id of ["file", "capture"]) {
  $(id).addEventListener("change", (event) => {
    const chosen = first(event.target.files);
    event.target.value = ""; // the same photo again is a change, too
    if (chosen) show(chosen);
  });
}
$("camera").addEventListener("click", camera);
$("take").addEventListener("click", take);
$("cancel").addEventListener("click", () => $("shutter").close());
$("shutter").addEventListener("close", closeCamera);
$("model").addEventListener("change", () => { listOutputs(); if (file) show(file); });
for (const id of ["output", "side"]) $(id).addEventListener("change", () => file && show(file));
$("opacity").addEventListener("input", () => {
  $("opacity-value").textContent = `${$("opacity").value} %`;
  $("classes").style.opacity = $("opacity").value / 100;
});
$("show-borders").addEventListener("change", repaint);
$("stage").addEventListener("pointermove", pointAt);
$("stage").addEventListener("pointerdown", pointAt);
$("stage").addEventListener("keydown", move);
$("get-mask").addEventListener("click", saveMask);
$("get-overlay").addEventListener("click", saveOverlay);
$("get-json").addEventListener("click", saveJson);
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  start();
});
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
  const chosen = first(event.dataTransfer.files);
  if (chosen) show(chosen);
});
document.addEventListener("paste", (event) => {
  const chosen = first(event.clipboardData.files);
  if (chosen) show(chosen);
});
start();
