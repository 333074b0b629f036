"""The caption encoder reads bytes, the wish sampler places ranks, and both are the same in onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from ganlib.data.mnist.captions import CAPTION_LEN, CHOICES, CaptionMeaning, draw, encode, make
from ganlib.nets.text import CaptionEncoder, WishSampler, caption_loss, decide


def read(encoder: CaptionEncoder, texts: list[str]) -> Tensor:
    with torch.no_grad():
        return decide(encoder(torch.from_numpy(np.stack([encode(text) for text in texts]))))


def trained(steps: int, batch: int = 32, seed: int = 0) -> CaptionEncoder:
    torch.manual_seed(seed)
    encoder = CaptionEncoder(CHOICES)
    optimizer = torch.optim.Adam(encoder.parameters(), 3e-3, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        captions, wishes = draw(np.random.default_rng([seed, step]), batch)
        optimizer.zero_grad()
        caption_loss(encoder(torch.from_numpy(captions)), torch.from_numpy(wishes)).backward()
        optimizer.step()
        schedule.step()
    return encoder.eval()


@pytest.mark.slow
def test_after_a_minute_of_training_captions_from_unseen_templates_are_read_right() -> None:
    encoder = trained(3000)
    captions, wishes = map(torch.from_numpy, draw(np.random.default_rng(99), 10_000, held_out=True))
    with torch.no_grad():
        right = torch.cat([decide(encoder(part)) for part in captions.split(1000)]) == wishes
    assert right[:, 0].double().mean() >= 0.999
    assert right.all(dim=1).double().mean() >= 0.995
    spoken = {"a thin seven leaning left": (7, 1, 1, 0), "一个粗的五": (5, 3, 0, 0), "BOLD 3": (3, 3, 0, 0)}
    assert [tuple(row) for row in read(encoder, list(spoken)).tolist()] == list(spoken.values())


def test_a_few_captions_are_learned_in_seconds() -> None:
    torch.manual_seed(0)
    encoder = CaptionEncoder(CHOICES)
    optimizer = torch.optim.Adam(encoder.parameters(), 3e-3)
    captions, wishes = map(torch.from_numpy, draw(np.random.default_rng(0), 12))
    for _ in range(80):
        optimizer.zero_grad()
        caption_loss(encoder(captions), wishes).backward()
        optimizer.step()
    with torch.no_grad():
        assert torch.equal(decide(encoder(captions)), wishes)


def test_the_loss_of_an_undecided_encoder_is_the_sum_of_the_groups_entropies() -> None:
    logits = tuple(torch.zeros(3, classes) for classes in CHOICES)
    wishes = torch.tensor([[0, 0, 0, 0], [9, 3, 3, 3], [4, 1, 2, 0]])
    assert caption_loss(logits, wishes).item() == pytest.approx(np.log(10) + 3 * np.log(4), rel=1e-6)


def test_decisions_are_the_likeliest_classes_in_the_order_of_the_groups() -> None:
    wishes = torch.tensor([[7, 0, 1, 3], [0, 2, 0, 1]])
    logits = tuple(nn.functional.one_hot(wishes[:, k], n).float() for k, n in enumerate(CHOICES))
    assert torch.equal(decide(logits), wishes)
    assert decide(logits).dtype == torch.int64


def test_capitals_read_as_small_letters_and_padding_does_not_count() -> None:
    encoder = CaptionEncoder(CHOICES)
    small, capital = (torch.zeros(1, CAPTION_LEN, dtype=torch.int64) for _ in range(2))
    small[0, :7] = torch.tensor(list(b"thin az"))
    capital[0, :7] = torch.tensor(list(b"THIN AZ"))
    brief = CaptionEncoder(CHOICES, 32)
    brief.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        expected = torch.cat(encoder(small), dim=1)
        assert torch.equal(torch.cat(encoder(capital), dim=1), expected)
        assert torch.allclose(torch.cat(brief(small[:, :32]), dim=1), expected, atol=1e-5)


def test_any_integers_give_finite_logits() -> None:
    captions = torch.tensor([[0] * CAPTION_LEN, [-5] * CAPTION_LEN, [10**9] * CAPTION_LEN, [255] * CAPTION_LEN])
    with torch.no_grad():
        assert all(torch.isfinite(group).all() for group in CaptionEncoder(CHOICES)(captions))


NORMAL = torch.linspace(-4, 4, 4001)


def ranks(wish: CaptionMeaning, noise: Tensor = NORMAL) -> Tensor:
    wishes = torch.tensor([wish.codes()]).expand(len(noise), 4)
    got: Tensor = WishSampler()(noise.unsqueeze(1).expand(-1, 3), wishes)
    return got


@pytest.mark.parametrize("tercile", [0, 1, 2])
def test_an_asked_tercile_is_met_about_its_middle(tercile: int) -> None:
    thickness, slant, size = ranks(CaptionMeaning(3, thickness=tercile)).unbind(dim=1)
    assert (thickness * 3).floor().unique().tolist() == [tercile]
    assert thickness.median().item() == pytest.approx((tercile + 0.5) / 3, abs=1e-5)
    assert (thickness.max() - thickness.min()).item() == pytest.approx(0.7 / 3, abs=1e-3)
    assert slant.max() - slant.min() > 0.99
    assert torch.equal(slant, size)


def test_ranks_that_are_not_asked_for_are_uniform() -> None:
    noise = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    counts = torch.histc(ranks(CaptionMeaning(0), noise)[:, 1], 10, 0, 1) / len(noise)
    assert counts.tolist() == pytest.approx([0.1] * 10, abs=0.005)


def test_ranks_grow_with_the_noise_and_stay_inside_zero_and_one_however_large_it_is() -> None:
    for wish in (CaptionMeaning(0), CaptionMeaning(0, size=1)):
        assert (ranks(wish)[:, 2].diff() >= 0).all()
        extreme = ranks(wish, torch.tensor([-1e30, -9.0, 9.0, 1e30]))
        assert ((extreme > 0) & (extreme < 1)).all()


class Drawer(nn.Module):
    """A stand-in for a generator: reads the caption, and draws the digit and the ranks as grey levels."""

    def __init__(self, encoder: CaptionEncoder) -> None:
        super().__init__()
        self.encoder, self.sampler = encoder, WishSampler()
        self.decoder = nn.Linear(13, 784)

    def forward(self, noise: Tensor, caption: Tensor) -> Tensor:
        wishes = decide(self.encoder(caption))
        condition = torch.cat([nn.functional.one_hot(wishes[:, 0], 10).float(), self.sampler(noise, wishes)], dim=1)
        levels = (torch.sigmoid(self.decoder(condition)) * 255 + 0.5).floor()
        return levels.to(torch.uint8).view(-1, 1, 28, 28)


@pytest.fixture(scope="module")
def drawer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Drawer, Path]:
    net = Drawer(trained(20)).eval()
    path = tmp_path_factory.mktemp("drawer") / "drawer.onnx"
    example = (torch.zeros(2, 3), torch.from_numpy(draw(np.random.default_rng(0), 2)[0]))
    batch = torch.export.Dim("batch")
    torch.onnx.export(
        net,
        example,
        path,
        dynamo=True,
        opset_version=20,
        input_names=["noise", "caption"],
        output_names=["image"],
        dynamic_shapes={"noise": {0: batch}, "caption": {0: batch}},
        external_data=False,
        verbose=False,
    )
    return net, path


@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_onnxruntime_reads_and_draws_as_torch_does(drawer: tuple[Drawer, Path], batch: int) -> None:
    net, path = drawer
    rng = np.random.default_rng(batch)
    noise = rng.standard_normal((batch, 3), np.float32)
    wishes = [CaptionMeaning(int(rng.integers(10)), *rng.choice([None, 0, 1, 2], 3)) for _ in range(batch)]
    caption = np.stack([encode(make(wish, rng, held_out=True)) for wish in wishes])
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    actual = session.run(None, {"noise": noise, "caption": caption})[0]
    with torch.no_grad():
        expected = net(torch.from_numpy(noise), torch.from_numpy(caption)).numpy()
    assert actual.shape == (batch, 1, 28, 28)
    assert np.abs(actual.astype(int) - expected.astype(int)).max() <= 1
