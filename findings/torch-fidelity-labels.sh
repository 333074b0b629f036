#!/bin/sh
# torch-fidelity: a generator that takes labels cannot be scored beside any numpy from 1.24 on. It draws the labels with
# the dtype `np.int`, which numpy has not had since then, and its package asks for no older numpy; a generator without
# labels is scored. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch-fidelity==0.4.0 numpy==2.4.6 torch==2.14.1 torchvision==0.29.1
cat >"$folder/score.py" <<'EOF2'
import sys
from importlib.metadata import version

import numpy
import torch
import torch_fidelity
from torch_fidelity.feature_extractor_base import FeatureExtractorBase


class Means(FeatureExtractorBase):
    """Means of 4x4 pixels, so that no weights have to be fetched."""

    def __init__(self, name, features_list, **options):
        super().__init__(name, features_list)

    @staticmethod
    def get_provided_features_list():
        return ("means",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric):
        return "means"

    @staticmethod
    def can_be_compiled():
        return False

    def forward(self, images):
        return (torch.nn.functional.avg_pool2d(images.float(), 4).flatten(1),)


class Painter(torch.nn.Module):
    def forward(self, noise, labels=None):
        return (noise[:, :192].reshape(-1, 3, 8, 8) * 40 + 128).clamp(0, 255).to(torch.uint8)


torch_fidelity.register_feature_extractor("means", Means)


def score(classes):
    sides = [torch_fidelity.GenerativeModelModuleWrapper(Painter(), 192, "normal", classes) for _ in range(2)]
    return torch_fidelity.calculate_metrics(
        input1=sides[0], input1_model_num_samples=500, input2=sides[1], input2_model_num_samples=500,
        feature_extractor="means", fid=True, cuda=False, cache=False, verbose=False,
    )


print("torch-fidelity", version("torch-fidelity"), "numpy", numpy.__version__)
print("without labels:", score(0))
try:
    print("with three labels:", score(3))
except AttributeError as error:
    print("with three labels:", str(error).splitlines()[0])
    sys.exit(0)
sys.exit(1)
EOF2
"$folder/venv/bin/python" "$folder/score.py"
