// Draw images with onnxruntime-node or onnxruntime-web (WASM): `node probe.cjs PACKAGE FOLDER SECONDS`, in the folder that
// has node_modules. The same files and the same last line as probe.py.
"use strict";

const { readFileSync, writeFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");

const [name, folder, seconds] = process.argv.slice(2);
const ARRAYS = { float32: Float32Array, int64: BigInt64Array, uint8: Uint8Array };
const there = createRequire(path.join(process.cwd(), "node_modules", "here.js"));

function inputs(ort) {
  const kinds = JSON.parse(readFileSync(path.join(folder, "inputs.json"), "utf8"));
  const tensors = {};
  for (const [input, { dtype, shape }] of Object.entries(kinds)) {
    const bytes = new Uint8Array(readFileSync(path.join(folder, `${input}.bin`))); // a copy, which begins at 0
    tensors[input] = new ort.Tensor(dtype, new ARRAYS[dtype](bytes.buffer), shape);
  }
  return tensors;
}

async function main() {
  const ort = there(name);
  if (ort.env.wasm) ort.env.wasm.numThreads = 1;
  const model = new Uint8Array(readFileSync(path.join(folder, "model.onnx")));
  const start = performance.now();
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const tensors = inputs(ort);
  const image = (await session.run(tensors)).image;
  const ready = performance.now();
  writeFileSync(path.join(folder, "image.bin"), image.data);
  const calls = [];
  while (!calls.length || performance.now() - ready < 1000 * seconds) {
    const before = performance.now();
    await session.run(tensors);
    calls.push((performance.now() - before) / 1000);
  }
  calls.sort((a, b) => a - b);
  const { version } = JSON.parse(readFileSync(path.join(process.cwd(), "node_modules", name, "package.json"), "utf8"));
  console.log(
    JSON.stringify({
      version,
      shape: image.dims,
      open: (ready - start) / 1000,
      call: calls[calls.length >> 1],
    }),
  );
}

main().catch((error) => {
  console.error(String(error.message || error));
  process.exit(1);
});
