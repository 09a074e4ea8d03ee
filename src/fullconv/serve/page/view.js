// What a class map is on the page: its pixels from the answer's run-length code, drawn and read.

// COCO's code runs down the columns, outside and inside by turns. -> Uint16Array, row by row.
export function decode(answer) {
  const {width, height, classes} = answer;
  const map = new Uint16Array(width * height);
  for (const {index, rle} of classes) {
    let place = 0;
    (rle ? rle.counts : []).forEach((count, turn) => {
      if (turn % 2) {
        for (let at = place; at < place + count; at++) {
          map[(at % height) * width + Math.floor(at / height)] = index;
        }
      }
      place += count;
    });
  }
  return map;
}

// Each class in its colour on a canvas of the photo's size, the background clear; `alone` is one
// class, or null.
export function paint(canvas, map, answer, alone) {
  const {width, height, classes} = answer;
  const pen = sized(canvas, width, height);
  const image = pen.createImageData(width, height);
  const colors = classes.map(({color: [red, green, blue], background}, index) => {
    const shown = alone === null ? !background : alone === index;
    return shown ? [red, green, blue, 255] : [0, 0, 0, 0];
  });
  for (let at = 0; at < map.length; at++) image.data.set(colors[map[at]], 4 * at);
  pen.putImageData(image, 0, 0);
}

function sized(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  return canvas.getContext("2d");
}

// A white line where two classes meet, as wide as `fullconv predict` draws it; of one class alone
// the line around it.
export function outline(canvas, map, {width, height}, alone) {
  const pen = sized(canvas, width, height);
  const image = pen.createImageData(width, height);
  const wide = Math.max(1, Math.round(Math.sqrt(width * height) / 600)), half = wide >> 1;
  const meet = alone === null ? (a, b) => a !== b : (a, b) => (a === alone) !== (b === alone);
  const draw = (at) => image.data.fill(255, 4 * at, 4 * at + 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (x + wide < width && meet(map[at], map[at + wide])) draw(at + half);
      if (y + wide < height && meet(map[at], map[at + wide * width])) draw(at + half * width);
    }
  }
  pen.putImageData(image, 0, 0);
}

// The photo, the classes and the borders (null: none) over it, as they are seen. -> a PNG blob
export function merged(photo, classes, opacity, borders) {
  const canvas = document.createElement("canvas");
  canvas.width = classes.width;
  canvas.height = classes.height;
  const pen = canvas.getContext("2d");
  pen.drawImage(photo, 0, 0, canvas.width, canvas.height);
  pen.globalAlpha = opacity;
  pen.drawImage(classes, 0, 0);
  pen.globalAlpha = 1;
  if (borders) pen.drawImage(borders, 0, 0);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

// A grey PNG's values, row by row. -> Uint8ClampedArray
export async function greys(blob) {
  const picture = await createImageBitmap(blob, {colorSpaceConversion: "none"});
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  pen.drawImage(picture, 0, 0);
  const {data} = pen.getImageData(0, 0, picture.width, picture.height);
  return Uint8ClampedArray.from({length: data.length / 4}, (_, at) => data[4 * at]);
}

// A photo with its longest side at most `side` pixels (0: as it is). -> {blob, name}
export async function shrunk(file, side) {
  const picture = side ? await createImageBitmap(file) : null;
  if (!picture || Math.max(picture.width, picture.height) <= side) return file;
  const scale = side / Math.max(picture.width, picture.height);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return new File([blob], file.name || "photo.png", {type: "image/png"});
}

// 0.0412 -> "4.1 %"; what is there and rounds to nothing is "< 0.1 %".
export function percent(share) {
  return share > 0 && share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`;
}

// The name of a download: without folders, without an ending.
export function stem(name) {
  return (name || "").split(/[\\/]/).pop().replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}._-]+/gu, "_") || "photo";
}
