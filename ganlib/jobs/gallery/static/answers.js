// What the page at draw.html asks for, answered in the browser itself: the champion's graph runs in onnxruntime's
// WebAssembly, on the noise that a seed has everywhere. `ganlib serve` has a file of the same name that asks its API.
import { env, InferenceSession, Tensor } from "./ort.wasm.bundle.min.mjs";
import { BLOCK, draws, noiseBlock, slerp } from "./noise.js";
import { base64, sheet, single } from "./png.js";

export const silence = "The model could not be loaded.";

const MOST_SEED = (1n << 64n) - 1n;
const KEPT = 4; // pictures that links on the page may still lead to
const pictures = [];
let opening = null;

env.wasm.numThreads = 1; // more need headers that a plain web server does not send

async function bytes(path, cache = "default") {
  const answer = await fetch(path, { cache });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
}

async function load() {
  const champion = JSON.parse(new TextDecoder().decode(await bytes("static/champion.json", "no-cache")));
  env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };
  const session = await InferenceSession.create(await bytes(`static/${champion.sha256}.onnx`));
  return { champion, session };
}

const open = () => (opening ??= load());

export async function listing() {
  const { champion } = await open();
  return { models: [champion], max_images: 256 };
}

export const picture = (answer) => answer.picture;

export async function ask(path, query) {
  const model = await open();
  const request = { ...query, seed: seed(query.seed), truncation: Number(query.truncation), labels: query.labels ?? "" };
  const condition = conditions(model.champion, request);
  return path.endsWith("walk") ? walk(model, request, condition) : images(model, request, condition);
}

function seed(text) {
  const value = BigInt(text);
  if (value > MOST_SEED) throw new Error(`seed ${text} is not between 0 and ${MOST_SEED}.`);
  return value;
}

// What is asked of each image: `record` in a batch's words, `rows(block)` of the graph's input, `told(row)` in the file.
function conditions(champion, { seed, labels, caption }) {
  if (champion.takes === "label") return ofClasses(champion, seed, labels);
  if (champion.takes === "caption") return ofCaptions(champion, seed, normal(caption ?? ""));
  return { record: "none", rows: () => null, told: () => ({}) };
}

function ofClasses(champion, seed, labels) {
  const { class_names: names, shares } = champion;
  const spoken = names.some((name, place) => name !== String(place));
  const label = names.includes(labels) ? names.indexOf(labels) : Number(labels);
  const common = { told: (row) => ({ label: String(row), ...(spoken ? { class: names[row] } : {}) }) };
  if (labels === "balanced") {
    const turn = (block) => Array.from({ length: BLOCK }, (_, at) => (block * BLOCK + at) % names.length);
    return { ...common, record: "labels balanced", rows: turn };
  }
  if (labels === "") {
    const record = `labels ${shares.length ? "data" : "uniform"}`;
    return { ...common, record, rows: (block) => draws(seed, block, names.length, shares) };
  }
  return { ...common, record: `label ${names[label]}`, rows: () => Array(BLOCK).fill(label) };
}

function ofCaptions(champion, seed, caption) {
  const { captions, shares, drawn } = champion;
  const told = (row) => ({ caption: row });
  if (caption) {
    const size = new TextEncoder().encode(caption).length;
    const room = champion.caption_length;
    if (size > room) throw new Error(`the caption takes ${size} bytes of UTF-8 and ${room} fit; say it shorter.`);
    return { record: `caption '${caption}'`, rows: () => Array(BLOCK).fill(caption), told };
  }
  if (!captions.length) throw new Error("this model's file keeps no captions to draw from: give one.");
  if (!drawn) {
    const turn = (block) => Array.from({ length: BLOCK }, (_, at) => captions[(block * BLOCK + at) % captions.length]);
    return { record: "captions in turn", rows: turn, told };
  }
  const rows = (block) => draws(seed, block, captions.length, shares).map((place) => captions[place]);
  return { record: `captions ${shares.length ? "data" : "uniform"}`, rows, told };
}

// As captions are written for training: see ganlib/data/text.py.
const normal = (text) =>
  text.normalize("NFKC").toLowerCase().replace(/(?!\s)[\p{C}\p{Z}]/gu, "").split(/\s+/u).filter(Boolean).join(" ");

function input(champion, rows) {
  if (champion.takes === "label") return { label: new Tensor("int64", BigInt64Array.from(rows, BigInt), [rows.length]) };
  if (champion.takes !== "caption") return {};
  const length = champion.caption_length;
  const codes = new BigInt64Array(rows.length * length);
  rows.forEach((text, at) => new TextEncoder().encode(text).forEach((byte, place) => {
    codes[at * length + place] = BigInt(byte);
  }));
  return { caption: new Tensor("int64", codes, [rows.length, length]) };
}

async function run({ champion, session }, noise, truncation, rows) {
  const width = champion.noise_dim;
  const scaled = noise.map((value) => Math.fround(value * Math.fround(truncation)));
  const count = noise.length / width;
  const feeds = { noise: new Tensor("float32", scaled, [count, width]), ...input(champion, rows) };
  const { image } = await session.run(feeds);
  const [channels, height, wide] = champion.image;
  const size = channels * height * wide;
  const pixels = (at) => image.data.slice(at * size, (at + 1) * size);
  return Array.from({ length: count }, (_, at) => ({ channels, height, width: wide, pixels: pixels(at) }));
}

async function images(model, request, condition) {
  const [{ champion }, count] = [model, Number(request.count)];
  const made = [];
  for (let block = 0; block * BLOCK < count; block++) {
    const rows = condition.rows(block);
    const noise = noiseBlock(request.seed, block, champion.noise_dim);
    const drawn = await run(model, noise, request.truncation, rows);
    drawn.forEach((image, at) => made.push({ image, asked: rows ? condition.told(rows[at]) : {} }));
  }
  made.length = count;
  const origin = facts(champion, request);
  const files = made.map(({ image, asked }, at) => single(champion, image, origin, String(at), asked));
  const range = { index: "0", count: String(count), condition: condition.record, truncation: decimal(request.truncation) };
  const all = { synthetic: origin.synthetic, model_sha256: origin.model_sha256, seed: origin.seed, ...range };
  const columns = Math.ceil(Math.sqrt(count));
  const file = count === 1 ? files[0]
    : await sheet(champion, made.map(({ image }) => image), columns, all, `${request.seed}-0-${count - 1}`);
  return {
    card: { ...card(champion, request, condition), count },
    images: made.map(({ asked }, index) => ({ index, ...spoken(champion, asked), png: base64(files[index]) })),
    picture: address(file),
  };
}

async function walk(model, request, condition) {
  const [{ champion }, steps, to] = [model, Number(request.steps), seed(request.to_seed)];
  const width = champion.noise_dim;
  const first = (seed) => noiseBlock(seed, 0, width).slice(0, width);
  const path = slerp(first(request.seed), first(to), steps);
  const row = condition.rows(0)?.[0];
  const made = [];
  for (let at = 0; at < steps; at += BLOCK) {
    const part = path.slice(at, at + BLOCK);
    const noise = Float32Array.from(part.flatMap((point) => [...point]));
    made.push(...(await run(model, noise, request.truncation, part.map(() => row))));
  }
  const what = `${request.seed}-0-to-${to}-0`;
  const { synthetic, model_sha256 } = facts(champion, request);
  const files = made.map((image, at) =>
    single(champion, image, { synthetic, model_sha256 }, String(at), {}, `${what}-step-${at}`));
  const all = {
    synthetic, model_sha256, seed: String(request.seed), index: "0", count: String(steps), condition: condition.record,
    truncation: decimal(request.truncation), to_seed: String(to), to_index: "0",
  };
  const asked = row === undefined ? {} : spoken(champion, condition.told(row));
  return {
    card: { ...card(champion, request, condition), count: steps, to_seed: plain(to), to_start: 0 },
    images: files.map((file, index) => ({ index, ...asked, png: base64(file) })),
    picture: address(await sheet(champion, made, steps, all, what)),
  };
}

function facts(champion, { seed, truncation }) {
  const cut = truncation === 1 ? {} : { truncation: decimal(truncation) };
  return { synthetic: champion.synthetic, model_sha256: champion.sha256, seed: String(seed), ...cut };
}

const decimal = (value) => (Number.isInteger(value) ? `${value}.0` : String(value)); // as Python writes it
const plain = (value) => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value));

function spoken(champion, asked) {
  if (asked.label === undefined) return asked;
  return { label: Number(asked.label), class_name: champion.class_names[Number(asked.label)] };
}

function card(champion, request, condition) {
  return {
    ...champion.card, seed: plain(request.seed), start: 0, condition: condition.record, truncation: request.truncation,
    to_seed: null, to_start: null, provider: "wasm", onnxruntime: `web ${env.versions.web}`,
  };
}

function address(file) {
  pictures.push(URL.createObjectURL(new Blob([file], { type: "image/png" })));
  if (pictures.length > KEPT) URL.revokeObjectURL(pictures.shift());
  return pictures.at(-1);
}
