"""Export of real nets, and the proof that comes with it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from ganlib.config import ExportConfig
from ganlib.core.errors import BadInput, Corrupt
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import DatasetSpec
from ganlib.export.contract import describe, read_contract
from ganlib.export.onnx import Certificate, ExportError, export
from ganlib.export.sampler import Sampler
from ganlib.generation.session import OnnxModel
from tests.support.painters import Halves, Initial
from tests.support.specs import CAPTIONS, ICONS, SHOP
from tests.unit.export.nets import NOISE_DIM, SmallGenerator, trained_like

Exported = tuple[Path, Certificate]
SMALL = ExportConfig(parity_batches=(1, 3))


def bare(path: Path) -> onnxruntime.InferenceSession:
    """A session as any stranger would open it: a file name and nothing of ours."""
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_the_certificate_says_what_was_compared_and_that_no_pixel_is_off_by_more_than_one(
    exported: Exported,
) -> None:
    _, certificate = exported
    assert certificate.batches == (1, 2, 7, 64, 1000)
    assert certificate.images_compared == 1074
    assert certificate.opset == 20
    assert certificate.ok(1)
    assert certificate.differing_share < 0.001


@pytest.mark.parametrize("batch", [1, 2, 7, 64, 1000])
def test_bare_onnxruntime_gives_the_net_s_own_images_at_any_batch_size(exported: Exported, batch: int) -> None:
    noise = np.random.default_rng(batch).standard_normal((batch, NOISE_DIM), np.float32)
    [images] = bare(exported[0]).run(None, {"noise": noise})
    with torch.no_grad():
        expected = Sampler(trained_like().eval())(torch.from_numpy(noise)).numpy()
    assert images.dtype == np.uint8
    assert images.shape == (batch, 1, 28, 28)
    assert np.abs(images.astype(int) - expected.astype(int)).max() <= 1


def test_the_graph_has_exactly_the_contract_s_input_and_output_and_the_opset_asked_for(
    exported: Exported,
) -> None:
    session = bare(exported[0])
    assert [(entry.name, entry.type, entry.shape[1:]) for entry in session.get_inputs()] == [
        ("noise", "tensor(float)", [NOISE_DIM])
    ]
    assert [(entry.name, entry.type, entry.shape[1:]) for entry in session.get_outputs()] == [
        ("image", "tensor(uint8)", [1, 28, 28])
    ]
    assert {entry.domain: entry.version for entry in onnx.load(exported[0]).opset_import} == {"": 20}


def test_the_file_carries_metadata_and_certificate_for_a_consumer_without_a_registry(
    exported: Exported,
) -> None:
    path, certificate = exported
    facts = bare(path).get_modelmeta().custom_metadata_map
    assert facts["family"] == "dcgan"
    assert facts["run_id"] == "r1"
    assert facts["contract_version"] == "2"
    assert DatasetSpec.model_validate_json(facts["dataset"]) == MNIST
    assert "label_range" not in facts
    assert facts["noise_dim"] == str(NOISE_DIM)
    assert Certificate.model_validate(json.loads(facts["parity"])) == certificate


def test_a_graph_of_classes_in_colour_says_so_and_draws_what_torch_draws(tmp_path: Path) -> None:
    certificate = export(Halves(), 2, tmp_path / "g.onnx", SMALL, {}, SHOP, condition="label")
    assert certificate.max_pixel_difference <= 1
    described = describe((tmp_path / "g.onnx").read_bytes(), "g")
    assert described.contract.spec == SHOP
    assert json.loads(described.metadata["label_range"]) == [0, 2]
    images = OnnxModel(tmp_path / "g.onnx").images(0, 0, 6)
    assert images.shape == (6, 3, 32, 32)
    assert not images[:, 1:, 20].any()


def test_a_graph_of_captions_is_measured_on_those_that_it_keeps(tmp_path: Path) -> None:
    kept = {"captions": json.dumps(CAPTIONS)}
    export(Initial(), 2, tmp_path / "g.onnx", SMALL, kept, ICONS, condition="caption")
    model = OnnxModel(tmp_path / "g.onnx")
    assert {int(level) for level in model.images(0, 0, 64)[:, 1, 0, 0]} == {
        round(text.encode()[0] / 128 * 127.5) for text in CAPTIONS
    }
    with pytest.raises(BadInput, match="no captions of icons to draw from"):
        export(Initial(), 2, tmp_path / "h.onnx", SMALL, {}, ICONS, condition="caption")


def test_one_file_is_all_there_is(exported: Exported) -> None:
    assert [entry.name for entry in exported[0].parent.iterdir()] == [exported[0].name]


def test_the_same_net_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        export(trained_like(), NOISE_DIM, tmp_path / name, SMALL, {"family": "dcgan"}, MNIST)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_path_of_the_machine_that_exported_gets_into_the_file(exported: Exported, checkout: Path) -> None:
    data = exported[0].read_bytes()
    for trace in (str(checkout), ".py", "site-packages", 'File \\"'):
        assert trace.encode() not in data


def test_the_net_keeps_its_mode_and_its_statistics(tmp_path: Path) -> None:
    net = trained_like()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    export(net, NOISE_DIM, tmp_path / "a.onnx", SMALL, {}, MNIST)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_exporting_says_nothing_on_the_user_s_screen(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    export(trained_like(), NOISE_DIM, tmp_path / "a.onnx", SMALL, {}, MNIST)
    assert capfd.readouterr() == ("", "")


def test_families_that_train_side_by_side_can_export_at_once(tmp_path: Path) -> None:
    def one(seed: int) -> Certificate:
        return export(trained_like(seed), NOISE_DIM, tmp_path / f"{seed}.onnx", SMALL, {}, MNIST)

    with ThreadPoolExecutor(2) as pool:
        certificates = list(pool.map(one, range(2)))
    assert all(certificate.ok(1) for certificate in certificates)
    assert len({(tmp_path / f"{seed}.onnx").read_bytes() for seed in range(2)}) == 2


def test_a_limit_is_kept_or_broken_by_the_worst_pixel() -> None:
    certificate = Certificate(opset=20, batches=(1,), max_pixel_difference=2, differing_share=0.1, images_compared=1)
    assert certificate.ok(2)
    assert not certificate.ok(1)


class Constant(SmallGenerator):
    """Ignores its noise: a total collapse."""

    def forward(self, noise: Tensor) -> Tensor:
        return super().forward(noise * 0)


class Random(SmallGenerator):
    """Draws its own randomness."""

    def forward(self, noise: Tensor) -> Tensor:
        return super().forward(noise + torch.randn_like(noise))


class Baked(SmallGenerator):
    """Works for even batches alone, such as the example's two: tracing does not notice, running does."""

    def forward(self, noise: Tensor) -> Tensor:
        return super().forward(noise.reshape(2, -1))


class Diverged(SmallGenerator):
    """Gives NaN."""

    def forward(self, noise: Tensor) -> Tensor:
        return super().forward(noise) * float("nan")


class Flat(SmallGenerator):
    """Gives vectors."""

    def forward(self, noise: Tensor) -> Tensor:
        return super().forward(noise).flatten(1)


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (Constant(), "collapsed"),
        (Random(), "draws random numbers"),
        (Baked(), "fails on noise [1, 6]"),
        (Diverged(), "not finite"),
        (Flat(), "not float32 [2, 1, 28, 28]"),
        (SmallGenerator(noise_dim=NOISE_DIM + 1), f"fails on noise [2, {NOISE_DIM}]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_net_that_breaks_the_contract_is_refused_in_one_line_and_the_old_file_stays(
    tmp_path: Path, net: nn.Module, words: str
) -> None:
    path = tmp_path / "generator.onnx"
    path.write_bytes(b"an earlier model")
    with pytest.raises(ExportError) as caught:
        export(net, NOISE_DIM, path, SMALL, {}, MNIST)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"an earlier model"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_unwritable_target_is_the_user_s_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="cannot write"):
        export(trained_like(), NOISE_DIM, tmp_path / "file" / "generator.onnx", SMALL, {}, MNIST)


def test_a_flipped_bit_in_the_weights_is_found_without_any_registry(exported: Exported, tmp_path: Path) -> None:
    model = onnx.load(exported[0])
    weights = max((tensor.raw_data for tensor in model.graph.initializer), key=len)
    data = bytearray(exported[0].read_bytes())
    at = bytes(data).index(weights) + 5
    data[at] ^= 1
    with pytest.raises(Corrupt, match=r"expected sha256 [0-9a-f]{64}, found [0-9a-f]{64}"):
        describe(bytes(data), "damaged.onnx")


def test_loading_and_saving_by_another_tool_keeps_the_file_acceptable(exported: Exported, tmp_path: Path) -> None:
    onnx.save_model(onnx.load(exported[0]), tmp_path / "copy.onnx")
    assert read_contract(tmp_path / "copy.onnx") == read_contract(exported[0])


def test_nor_into_a_graph_inside_the_graph(tmp_path: Path) -> None:
    from ganlib.nets.prior import CodePrior
    from ganlib.nets.vqgan import VqGenerator

    torch.manual_seed(0)
    net = VqGenerator(MNIST.image, 4, 8, CodePrior(49, 8, 8, 1, 2))
    with torch.no_grad():
        net.prior.head.mul_(100)  # as after training: codes that differ
    export(net, 49, tmp_path / "vq.onnx", SMALL, {}, MNIST)
    data = (tmp_path / "vq.onnx").read_bytes()
    assert b"site-packages" not in data
    assert b"prior.py" not in data
