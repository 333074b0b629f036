"""Draw images with one runtime, in an interpreter of its own: ``python probe.py RUNTIME FOLDER SECONDS``.

It needs nothing of ganlib, so that it runs in any environment that has the runtime. ``FOLDER`` holds ``model.onnx``,
``inputs.json`` (dtype and shape by input) and ``NAME.bin`` (its values); it gets ``image.bin``, uint8. The last line on
standard output is JSON: the runtime's version, the images' shape, the seconds until they were there, and those of one
call, the median of as many as fit in ``SECONDS``.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Inputs = Mapping[str, Any]
"""numpy arrays by the graph's names."""
Draw = Callable[[Inputs], Any]
"""Images of inputs, a numpy array."""


def main(words: list[str]) -> None:
    """Write the images, and print what was measured."""
    runtime, folder, seconds = words[0], Path(words[1]), float(words[2])
    package, opening = RUNTIMES[runtime]
    inputs = _inputs(folder)
    start = time.perf_counter()
    draw = opening(folder / "model.onnx")
    images = draw(inputs)
    ready = time.perf_counter()
    (folder / "image.bin").write_bytes(images.tobytes())
    calls: list[float] = []
    while not calls or time.perf_counter() - ready < seconds:
        before = time.perf_counter()
        draw(inputs)
        calls.append(time.perf_counter() - before)
    result = {
        "version": _version(package),
        "shape": list(images.shape),
        "open": ready - start,
        "call": statistics.median(calls),
    }
    sys.stdout.write(json.dumps(result) + "\n")


def _version(package: str) -> str:
    """Of a package of PyPI, or of npm in the working folder."""
    try:
        return version(package)
    except PackageNotFoundError:
        return str(json.loads((Path.cwd() / "node_modules" / package / "package.json").read_text())["version"])


def _inputs(folder: Path) -> Inputs:
    import numpy as np

    kinds = json.loads((folder / "inputs.json").read_text())
    return {
        name: np.fromfile(folder / f"{name}.bin", kind["dtype"]).reshape(kind["shape"]) for name, kind in kinds.items()
    }


def _onnxruntime(model: Path) -> Draw:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["image"], dict(inputs))[0]


def _openvino(model: Path) -> Draw:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(model), "CPU", settings).create_infer_request()
    return lambda inputs: request.infer(dict(inputs))["image"]


def _iree(model: Path) -> Draw:
    import subprocess

    import iree.compiler
    import iree.runtime

    text = model.with_suffix(".mlir")
    subprocess.run([sys.executable, "-m", "iree.compiler.tools.import_onnx", model, "-o", text], check=True)
    flat = iree.compiler.compile_file(
        str(text), target_backends=["llvm-cpu"], input_type="onnx", extra_args=["--iree-llvmcpu-target-cpu=host"]
    )
    module = iree.runtime.load_vm_flatbuffer(flat, driver="local-sync")
    function = next(name for name in module.vm_module.function_names if not name.startswith("__") and "$" not in name)
    return lambda inputs: module[function](*inputs.values()).to_host()


def _tinygrad(model: Path) -> Draw:
    from tinygrad import Tensor
    from tinygrad.nn.onnx import OnnxRunner

    runner = OnnxRunner(model)
    return lambda inputs: runner({name: Tensor(values) for name, values in inputs.items()})["image"].numpy()


_PAGE = """async () => {
  const ort = await import("/dist/ort.webgpu.bundle.min.mjs");
  const bytes = async (path) => (await fetch(path)).arrayBuffer();
  const arrays = { float32: Float32Array, int64: BigInt64Array, uint8: Uint8Array };
  const options = { executionProviders: ["webgpu"] };
  const session = await ort.InferenceSession.create(await bytes("/job/model.onnx"), options);
  const feeds = {};
  for (const [name, { dtype, shape }] of Object.entries(await (await fetch("/job/inputs.json")).json()))
    feeds[name] = new ort.Tensor(dtype, new arrays[dtype](await bytes(`/job/${name}.bin`)), shape);
  window.draw = async () => {
    const image = (await session.run(feeds)).image;
    const words = Array.from(await image.getData(), (level) => String.fromCharCode(level)).join("");
    return { shape: image.dims, data: btoa(words) };
  };
}"""


def _webgpu(model: Path) -> Draw:
    """Draw in Chromium; where there is no GPU, by SwiftShader on the processor."""
    import base64
    import http.server
    import threading

    import numpy as np
    from playwright.sync_api import sync_playwright

    roots = {"dist": Path.cwd() / "node_modules" / "onnxruntime-web" / "dist", "job": model.parent}

    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            _, root, name = f"{path.partition('?')[0]}//".split("/", 3)[:3]
            return str(roots[root] / name) if root in roots else str(roots["dist"] / "LICENSE")

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser = (
        sync_playwright()
        .start()
        .chromium.launch(
            executable_path=shutil.which("chromium"),
            args=[
                "--no-sandbox",
                "--enable-unsafe-webgpu",
                "--use-webgpu-adapter=swiftshader",
                "--enable-features=Vulkan",
            ],
        )
    )
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
    page.evaluate(_PAGE)

    def draw(_: Inputs) -> Any:
        image = page.evaluate("window.draw()")
        return np.frombuffer(base64.b64decode(image["data"]), np.uint8).reshape(image["shape"])

    return draw


RUNTIMES: Mapping[str, tuple[str, Callable[[Path], Draw]]] = {
    "onnxruntime": ("onnxruntime", _onnxruntime),
    "openvino": ("openvino", _openvino),
    "iree": ("iree-base-compiler", _iree),
    "tinygrad": ("tinygrad", _tinygrad),
    "webgpu": ("onnxruntime-web", _webgpu),
}
"""By name: the package on PyPI whose version it has, and what opens a graph with it, on one thread."""

if __name__ == "__main__":
    main(sys.argv[1:])
