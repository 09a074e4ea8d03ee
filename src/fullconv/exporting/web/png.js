"use strict";
// A class map as a PNG whose pixels are the class indices: with a palette, or 16 bits of grey.

const CRC = Uint32Array.from({length: 256}, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

function chunk(kind, body) {
  const bytes = new Uint8Array(body.length + 12), view = new DataView(bytes.buffer);
  view.setUint32(0, body.length);
  for (let at = 0; at < 4; at++) bytes[4 + at] = kind.charCodeAt(at);
  bytes.set(body, 8);
  let crc = 0xffffffff;
  for (const byte of bytes.subarray(4, body.length + 8)) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
  view.setUint32(body.length + 8, ~crc >>> 0);
  return bytes;
}

// `palette` is 768 numbers of RGB, or null for more than 256 classes. -> a Blob
async function maskPng(map, width, height, palette) {
  const wide = palette ? 1 : 2, row = 1 + wide * width, rows = new Uint8Array(row * height);
  for (let at = 0; at < map.length; at++) {
    const to = Math.floor(at / width) * row + 1 + wide * (at % width);
    if (wide === 2) rows[to] = map[at] >> 8;
    rows[to + wide - 1] = map[at] & 255;
  }
  const stream = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const head = new Uint8Array(13), view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8 * wide, palette ? 3 : 0], 8);
  return new Blob([
    Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10),
    chunk("IHDR", head),
    ...(palette ? [chunk("PLTE", Uint8Array.from(palette))] : []),
    chunk("IDAT", new Uint8Array(await new Response(stream).arrayBuffer())),
    chunk("IEND", new Uint8Array(0)),
  ], {type: "image/png"});
}
