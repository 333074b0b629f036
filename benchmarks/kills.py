"""A job that is killed at random moments and resumed each time ends with the digest of one that never was.

    python -m benchmarks.kills            # 200,000 images, 20 kills (GANLIB_KILLS_COUNT and GANLIB_KILLS change that)

A test of the suite runs the same with small numbers.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ganlib.config import ExportConfig
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.onnx import export
from ganlib.generation.batch.batch import generate, verify
from ganlib.generation.session import OnnxModel

SEED = 11
_PROGRAM = """
import signal
import sys
from pathlib import Path
from ganlib.generation.batch.batch import generate
from ganlib.generation.session import OnnxModel
class AtWork:
    def advance(self, stage, done, total, figures=None):
        if stage == "generate":
            print("at work", flush=True)
            if done >= int(last):
                signal.pause()
    def event(self, event):
        pass
model, out, count, seed, shard, form, last = sys.argv[1:]
generate(
    OnnxModel(Path(model)), out=Path(out), count=int(count), seed=int(seed), shard_size=int(shard), file_format=form,
    report=AtWork(),
)
"""


def survives(
    model: Path,
    folder: Path,
    *,
    count: int,
    shard_size: int,
    kills: int,
    file_format: str = "npy",
    seed: int = SEED,
    say: Callable[[str], object] = lambda line: None,
) -> tuple[int, str, str]:
    """Run a job with ``kills`` SIGKILLs, and once without.

    The moments are drawn from ``seed``: each falls evenly within the time of a part of the job, of which there is one
    more than there are kills. Whoever has done its part by then waits at its end, so that no kill comes too late.

    Returns:
        How many kills hit a process at work, the digest of the killed job, and that of the uninterrupted one.
    """
    draw, place = random.Random(seed), folder / "killed"  # noqa: S311  (moments, not secrets)
    began = time.monotonic()
    whole = generate(
        OnnxModel(model), out=folder / "whole", count=count, seed=SEED, shard_size=shard_size, file_format=file_format
    )
    each = (time.monotonic() - began) / (kills + 1)
    words = [str(model), str(place), str(count), str(SEED), str(shard_size), file_format]
    hits = 0
    for number in range(kills):
        last = count * (number + 1) // (kills + 1)
        with subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *words, str(last)], stdout=subprocess.PIPE, bufsize=0
        ) as process:
            assert process.stdout
            process.stdout.readline()  # until some hundred images are made, or until it has ended
            moment = draw.uniform(0, each)
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
        hits += process.returncode == -signal.SIGKILL
        there = sum(entry.suffix != ".sha256" for entry in place.glob("shard-*"))
        say(f"kill {number + 1} after {moment:.2f} s: {there} of {whole.shard_count} shards are there")
    result = generate(
        OnnxModel(model), out=place, count=count, seed=SEED, shard_size=shard_size, file_format=file_format
    )
    assert verify(place).ok
    return hits, str(result.digest), str(whole.digest)


def main() -> None:
    """The figures of the issue, with the generator of a small real net."""
    from tests.unit.export.nets import NOISE_DIM, trained_like

    count, kills = int(os.environ.get("GANLIB_KILLS_COUNT", "200000")), int(os.environ.get("GANLIB_KILLS", "20"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.onnx"
        export(trained_like(), NOISE_DIM, path, ExportConfig(parity_batches=(2,)), {}, MNIST)
        shard_size = max(1, count // 200)
        hits, digest, whole = survives(
            path,
            Path(folder),
            count=count,
            shard_size=shard_size,
            kills=kills,
            say=lambda line: print(line, flush=True),
        )
    print(f"{count:,} images, {hits} of {kills} SIGKILLs hit a process at work")
    print(f"resumed {digest}\nwhole   {whole}\n{'equal' if digest == whole else 'DIFFERENT'}")
    sys.exit(digest != whole)


if __name__ == "__main__":
    main()
