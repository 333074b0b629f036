"""FID after as many seconds on as many cores, beside what people use today.

    python -m benchmarks.peers cgan PyTorch-GAN/implementations/cgan/cgan.py --python VENV/bin/python
    python -m benchmarks.peers r3gan lightweight-gan --python VENV/bin/python

In a project, on its data version: `ganlib train FAMILY` with all that it does, and the peer, unmodified, in an
environment of its own (benchmarks/peer_script.py). Both begin at once, have a core and a thread each, and the same
training images, and the peer is stopped when ours has ended. Both are scored by a judge that neither was trained with,
and, for comparison only, by the project's own; of the peer's two ways to draw, the better one counts.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks import other_judge
from ganlib.config import EvaluateConfig, load
from ganlib.core.project import Project, find
from ganlib.data.splits import Split, load_split
from ganlib.data.versioning.record import DataVersion
from ganlib.evaluation.evaluate import Evaluation, load_reference, score_images
from ganlib.evaluation.judge.judge import Judge
from ganlib.evaluation.needs import fitted
from ganlib.generation.session import OnnxModel
from ganlib.jobs.data.judge import judge_for
from ganlib.jobs.data.version_data import current_data

LIMIT = 0.5
"""Of the peer's FID, at most."""
SCRIPT = Path(__file__).with_name("peer_script.py")


def main(words: Sequence[str]) -> int:
    """Print both, and the ratio of their FIDs. 1 if that is above the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("family")
    parser.add_argument("peer", help="a training script of PyTorch-GAN, or lightweight-gan")
    parser.add_argument("--python", required=True, help="of the peer's environment")
    parser.add_argument(
        "--options", nargs="*", default=[], metavar="NAME=NUMBER", help="of the peer; else its defaults"
    )
    parser.add_argument("--budget", default="standard")
    parser.add_argument("--set", action="append", default=[], help="of ganlib, as in `ganlib train`")
    args = parser.parse_args(words)
    project = find()
    params, data = load(project.params_file, args.set), current_data(project)
    train, settings = load_split(project.prepared, "train"), fitted(params.evaluate, data.counts)
    own, other = judge_for(project, params, data), other_judge.judge(project, train, data)
    folder = project.state / "peers" / f"{args.family}-{Path(args.peer).stem}"
    sides, summary = _both(project, args, train, folder, settings)
    print(f"{data.spec.name} {data.spec.image}, {summary}", flush=True)
    ratio = 0.0
    for judge, whose in ((own, "the project's own"), (other, "one of neither")):
        scores = _scores(project, data, judge, settings, sides)
        best = min((name for name in scores if name != "ours"), key=lambda name: scores[name].fid.value)
        print(f"judge {judge.sha256[:12]}, {whose}, {100 * (scores['ours'].judge_agreement or 0):.1f}% right:")
        for side, score in scores.items():
            name = f"ganlib {args.family}" if side == "ours" else f"{Path(args.peer).name}, {side}"
            print(f"| {name} | {_row(score)} |")
        ratio = scores["ours"].fid.value / scores[best].fid.value
        print(f"ratio {ratio:.3f} of {best}", flush=True)
    print(f"limit {LIMIT}: {'kept' if ratio <= LIMIT else 'MISSED'}")
    return int(ratio > LIMIT)


def _row(side: Evaluation) -> str:
    return (
        f"FID {side.fid}; floor {side.floor_fid}; KID {side.kid}; n {side.n:,}, seed {side.seed}, "
        f"judge {side.judge_sha256[:12]}, data {side.data_version[:12]}"
    )


def _scores(
    project: Project, data: DataVersion, judge: Judge, settings: EvaluateConfig, sides: Mapping[str, np.ndarray]
) -> dict[str, Evaluation]:
    reference = load_reference(project.prepared, data.md5, judge, settings, cache=project.state / "cache")
    return {name: score_images(images, reference, judge, settings)[0] for name, images in sides.items()}


def write_images(folder: Path, train: Split, wishes: np.ndarray) -> None:
    """Write what a peer trains on, and the labels to be drawn, where :data:`SCRIPT` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in {"images": train.images, "labels": train.labels, "wishes": wishes}.items():
        np.save(folder / f"{name}.npy", array)


def _both(
    project: Project, args: argparse.Namespace, train: Split, folder: Path, settings: EvaluateConfig
) -> tuple[dict[str, np.ndarray], str]:
    """Train both at once and draw from both: ``ours`` and the peer's ways, and what each has seen, in words."""
    shares = np.random.default_rng(settings.seed)
    write_images(folder, train, shares.choice(train.labels, settings.samples))
    environment, cores = os.environ | {"OMP_NUM_THREADS": "1"}, sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "ganlib", "train", args.family, "--budget", args.budget, "--json"]
    command += [word for override in args.set for word in ("--set", override)]
    start = time.monotonic()
    os.sched_setaffinity(0, cores[-1:])  # which is inherited by what starts now
    words = [args.python, SCRIPT, args.peer, folder, *args.options]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as peer:
        try:
            os.sched_setaffinity(0, cores[:1])
            ours = subprocess.run(
                command, stdout=subprocess.PIPE, text=True, check=True, env=environment, cwd=project.root
            )
        except BaseException:
            peer.kill()
            raise
        peer.send_signal(signal.SIGALRM)
        seconds = time.monotonic() - start
        os.sched_setaffinity(0, cores)
        words_of_peer = peer.communicate()[0]
    if peer.returncode:
        raise SystemExit(f"{args.peer} failed")
    result, theirs = json.loads(ours.stdout), json.loads(words_of_peer.splitlines()[-1])
    model = OnnxModel(Path(result["onnx"]))
    sides = {"ours": model.draw(model.request(settings.seed), 0, settings.samples)}
    np.save(folder / "ours.npy", sides["ours"])
    sides |= {way: np.load(folder / f"{way}.npy", allow_pickle=False) for way in theirs["ways"]}
    summary = (
        f"{seconds:.0f} s, a core each: ours in run {result['run_id']} {result['steps']:,} steps on "
        f"{result['images']:,} images, theirs on {theirs['images']:,}"
    )
    return sides, summary


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
