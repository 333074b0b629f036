"""The judge's network. Its weights are frozen for good, so this file is too: a change here is a new judge.

Seven small convolutions and one dense layer: 8.5 million multiply-adds an image, 0.29 million parameters.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

ARCHITECTURE = 1
"""Goes up with any change to what this network computes; kept in the weights' metadata."""
FEATURES = 128
_CONVOLUTIONS = (  # channels in, channels out, stride, padding
    (1, 16, 1, 1),
    (16, 16, 1, 1),
    (16, 32, 2, 1),  # 28 -> 14
    (32, 32, 1, 1),
    (32, 32, 1, 1),
    (32, 64, 2, 1),  # 14 -> 7
    (64, 64, 1, 0),  # 7 -> 5
)


class JudgeNet(nn.Module):
    """uint8 images -> 128 non-negative features -> 10 logits.

    The features are read after the dense layer's ReLU. They keep where strokes are (no global pooling), so a
    shifted or deformed digit is a different digit to every metric.
    """

    def __init__(self, *, folded: bool) -> None:
        """``folded``: without batch normalisation, its constants in the weights (see :func:`fold`)."""
        super().__init__()

        def norm(module: nn.Module) -> nn.Module:
            return nn.Identity() if folded else module

        layers: list[nn.Module] = []
        for inward, outward, stride, padding in _CONVOLUTIONS:
            layers += [
                nn.Conv2d(inward, outward, 3, stride, padding, bias=folded),
                norm(nn.BatchNorm2d(outward)),
                nn.ReLU(),
            ]
        layers += [
            nn.Flatten(),
            nn.Linear(64 * 5 * 5, FEATURES, bias=folded),
            norm(nn.BatchNorm1d(FEATURES)),
            nn.ReLU(),
        ]
        self.body = nn.Sequential(*layers)
        # Dropout of features makes the classifier lean on all of them; it does nothing in eval mode.
        self.head = nn.Sequential(nn.Dropout(0.0 if folded else 0.3), nn.Linear(FEATURES, 10))

    def features(self, images: Tensor) -> Tensor:
        """Float32 [n, 128], >= 0, of images [n, 1, 28, 28]: uint8, or float32 in 0..255; 0 = background."""
        features: Tensor = self.body(images.float() / 255)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Logits float32 [n, 10] of images as in :meth:`features`."""
        logits: Tensor = self.head(self.features(images))
        return logits


@torch.no_grad()
def fold(net: JudgeNet) -> JudgeNet:
    """The same function as ``net`` in eval mode, with batch normalisation folded into the weights."""
    net.eval()
    folded = JudgeNet(folded=True).eval()
    layers = list(net.body)
    for place, (layer, after) in enumerate(pairwise(layers)):
        if isinstance(layer, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
            folded.body[place].load_state_dict(fuse_conv_bn_eval(layer, after).state_dict())
        elif isinstance(layer, nn.Linear) and isinstance(after, nn.BatchNorm1d):
            folded.body[place].load_state_dict(fuse_linear_bn_eval(layer, after).state_dict())
    folded.head.load_state_dict(net.head.state_dict())
    return folded
