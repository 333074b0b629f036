// PNG files as ganlib/generation/png.py writes them: the same chunks in the same order, the marks of docs/marks.md among
// them. `champion.packet` is the XMP packet of champion.json, with a place for what identifies the image.
const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const COLOURS = { 1: 0, 3: 2 }; // what a pixel is, by its channels
const STORED = 65535; // bytes of a block of deflate that is not packed
const GAP = 64; // level between the images of a sheet
const ASCII = /^[\x20-\x7e]*$/;
const utf8 = new TextEncoder();

const CRCS = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const number = (value) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

function chunk(kind, data) {
  const body = joined([utf8.encode(kind), data]);
  const crc = body.reduce((sum, byte) => CRCS[(sum ^ byte) & 255] ^ (sum >>> 8), 0xffffffff);
  return joined([number(data.length), body, number(~crc >>> 0)]);
}

const text = (name, value) => chunk("tEXt", utf8.encode(`ganlib:${name}\0${value}`));
const international = (name, value) => chunk("iTXt", utf8.encode(`${name}\0\0\0\0\0${value}`));

// zlib's format without packing: a small image is a file of one block of the disk either way.
function stored(bytes) {
  const parts = [[0x28, 0x15]];
  for (let at = 0; at < bytes.length; at += STORED) {
    const part = bytes.subarray(at, at + STORED);
    const low = [part.length & 255, part.length >> 8];
    parts.push([Number(at + STORED >= bytes.length), ...low, ...low.map((byte) => byte ^ 255)], part);
  }
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return joined([...parts, number(b * 65536 + a)]);
}

async function packed(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Rows as PNG has them, from planes: each begins with its filter, none.
function rows({ channels, height, width, pixels }) {
  const bytes = new Uint8Array(height * (1 + width * channels));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        bytes[y * (1 + width * channels) + 1 + x * channels + c] = pixels[(c * height + y) * width + x];
      }
    }
  }
  return bytes;
}

function whole(image, facts, data) {
  const header = [...number(image.width), ...number(image.height), 8, COLOURS[image.channels], 0, 0, 0];
  return joined([SIGNATURE, chunk("IHDR", header), ...facts, chunk("IDAT", data), chunk("IEND", [])]);
}

function marks(champion, what) {
  const place = "{produce_id}";
  const at = champion.packet.lastIndexOf(place); // who makes images may be called anything
  const packet = [champion.packet.slice(0, at), champion.packet.slice(at + place.length)];
  return international("XML:com.adobe.xmp", packet.join(`${champion.sha256}-${what}`));
}

// image: { channels, height, width, pixels }, planes of bytes; `origin`: facts of all images of a request; `asked`: of
// this one, as in { label: "7" }.
export function single(champion, image, origin, index, asked, what) {
  const facts = Object.entries(origin).map(([name, value]) => text(name, value));
  facts.push(text(what ? "step" : "index", index));
  facts.push(...Object.entries(asked).map(([name, value]) => international(`ganlib:${name}`, value)));
  return whole(image, [...facts, marks(champion, what ?? `${origin.seed}-${index}`)], stored(rows(image)));
}

// All images on one, `columns` in a row, as ganlib/generation/pictures/contact_sheet.py lays them out.
export async function sheet(champion, images, columns, facts, what) {
  const { channels, height, width } = images[0];
  const [scale, gap] = [2, 2];
  const [down, right] = [height * scale + gap, width * scale + gap];
  const large = { channels, height: Math.ceil(images.length / columns) * down + gap, width: columns * right + gap };
  large.pixels = new Uint8Array(channels * large.height * large.width).fill(GAP);
  images.forEach((image, at) => {
    const [top, left] = [gap + Math.floor(at / columns) * down, gap + (at % columns) * right];
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < height * scale; y++) {
        for (let x = 0; x < width * scale; x++) {
          const from = (c * height + Math.floor(y / scale)) * width + Math.floor(x / scale);
          large.pixels[(c * large.height + top + y) * large.width + left + x] = image.pixels[from];
        }
      }
    }
  });
  const words = Object.entries(facts).map(([name, value]) =>
    ASCII.test(value) ? text(name, value) : international(`ganlib:${name}`, value));
  return whole(large, [...words, marks(champion, what)], await packed(rows(large)));
}

export function base64(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
