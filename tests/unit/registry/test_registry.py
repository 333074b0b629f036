"""The registry on a real MLflow store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ganlib.core.errors import BadInput, Corrupt, GanlibError, Unavailable
from ganlib.core.files import sha256_file
from ganlib.generation.session import OnnxModel
from ganlib.registry.registry import CHALLENGER, CHAMPION, Registry, Version
from ganlib.registry.resolve import resolve_version
from ganlib.tracking.store import Absent, MlflowStore, connect
from tests import factories
from tests.factories import data_version, evaluation, finished_run, registered


def test_a_version_keeps_its_evidence_and_its_bytes(store: MlflowStore, graphs: list[Path], tmp_path: Path) -> None:
    made = registered(store, graphs[0], fid=12.0)
    registry = Registry(store, made.name)
    found = resolve_version(registry, "1")
    assert found == made
    assert (found.version, found.family, found.fid, found.aliases) == (1, "dcgan", 12.0, (CHALLENGER,))
    assert found.evaluation == evaluation(12.0)
    assert found.certificate is not None
    out = registry.download(found, tmp_path / "m.onnx")
    assert sha256_file(out) == found.sha256 == sha256_file(graphs[0])


def test_a_model_loaded_by_pyfunc_gives_the_bytes_that_bare_onnxruntime_gives(
    store: MlflowStore, graphs: list[Path]
) -> None:
    import mlflow.pyfunc

    made = registered(store, graphs[0])
    bare = OnnxModel(graphs[0])
    noise = np.random.default_rng(0).standard_normal((64, bare.noise_dim), dtype=np.float32)
    loaded = mlflow.pyfunc.load_model(made.uri)
    got = loaded.predict({"noise": noise})["image"]
    assert got.dtype == np.uint8
    expected = bare.session.run(["image"], {"noise": noise})[0]
    assert np.array_equal(got, expected)
    assert loaded.metadata.signature.inputs.input_names() == ["noise"]


def test_versions_are_listed_newest_first_with_their_aliases(store: MlflowStore, graphs: list[Path]) -> None:
    registry = Registry(store, "mnist-generator")
    assert registry.versions() == []
    for path in graphs[:2]:
        registered(store, path)
    registry.set_alias(CHAMPION, 1)
    assert [(v.version, v.aliases) for v in registry.versions()] == [(2, (CHALLENGER,)), (1, (CHAMPION,))]


@pytest.mark.parametrize(
    "reference", ["2", "champion", "models:/mnist-generator@champion", "models:/mnist-generator/2"]
)
def test_every_way_to_name_a_version_finds_it(store: MlflowStore, graphs: list[Path], reference: str) -> None:
    for path in graphs[:2]:
        registered(store, path)
    Registry(store, "mnist-generator").set_alias(CHAMPION, 2)
    assert resolve_version(Registry(store, "mnist-generator"), reference).version == 2


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "../x",
        "models:/",
        "models:/a/b/c",
        "models:/mnist-generator@",
        "models:/../x@y",
        "9x",
        "models:/x/latest",
        "models:/x/1234567890",
        "1234567890",
        "²",
        "٣",
        "champion\n",
        "a b",
    ],
)
def test_a_malformed_reference_is_refused(
    store: MlflowStore, reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")  # where no such file or folder is, which would be told
    with pytest.raises(BadInput, match=r"(names|is) no version"):
        resolve_version(Registry(store, "mnist-generator"), reference)


@pytest.mark.parametrize("reference", ["7", "champion", "models:/nothing@champion", "models:/nothing/1"])
def test_what_does_not_exist_is_said_to_be_absent(store: MlflowStore, reference: str) -> None:
    with pytest.raises(Absent):
        resolve_version(Registry(store, "mnist-generator"), reference)


def test_no_champion_is_none_only_if_mlflow_said_so(store: MlflowStore, graphs: list[Path]) -> None:
    registry = Registry(store, "mnist-generator")
    assert registry.alias(CHAMPION) is None
    registered(store, graphs[0])
    assert registry.alias(CHAMPION) is None
    (store.project.root / "mlflow.db").rename(store.project.root / "gone.db")
    (store.project.root / "mlflow.db").write_bytes(b"this is no database" * 100)
    store.client._get_registry_client().store.engine.dispose()  # noqa: SLF001  (as a restart does)
    with pytest.raises(BadInput, match="file is not a database"):
        registry.alias(CHAMPION)


def test_an_alias_of_a_deleted_version_is_corruption_and_not_no_champion(
    store: MlflowStore, graphs: list[Path]
) -> None:
    import sqlite3

    registered(store, graphs[0])
    registry = Registry(store, "mnist-generator")
    registry.set_alias(CHAMPION, 1)
    with sqlite3.connect(store.project.root / "mlflow.db") as database:  # what older servers left behind
        database.execute("UPDATE registered_model_aliases SET version = 9 WHERE alias = 'champion'")
    with pytest.raises(GanlibError, match="corrupt"):
        registry.alias(CHAMPION)


def test_one_flipped_byte_in_the_stored_graph_is_refused(
    store: MlflowStore, graphs: list[Path], tmp_path: Path
) -> None:
    made = registered(store, graphs[0])
    (stored,) = (store.project.root / "mlruns").rglob("model.onnx")
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    with pytest.raises(Corrupt) as caught:
        Registry(store, made.name).download(made, tmp_path / "m.onnx")
    assert caught.value.expected == made.sha256
    assert caught.value.actual == sha256_file(stored)
    assert not (tmp_path / "m.onnx").exists()


def test_a_stored_graph_that_is_gone_is_said_so(store: MlflowStore, graphs: list[Path], tmp_path: Path) -> None:
    import shutil

    made = registered(store, graphs[0])
    (stored,) = (store.project.root / "mlruns").rglob("model.onnx")
    shutil.rmtree(stored.parent)
    with pytest.raises(GanlibError):
        Registry(store, made.name).download(made, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_a_version_that_a_person_made_by_hand_is_listed_and_not_loaded(
    store: MlflowStore, graphs: list[Path], tmp_path: Path
) -> None:
    made = registered(store, graphs[0])
    store.client.create_model_version(made.name, store.client.get_model_version(made.name, "1").source)
    registry = Registry(store, made.name)
    by_hand = resolve_version(registry, "2")
    assert (by_hand.sha256, by_hand.evaluation) == (None, None)
    with pytest.raises(BadInput, match="not registered by ganlib"):
        registry.download(by_hand, tmp_path / "m.onnx")


def test_tags_that_a_person_overwrote_are_no_evidence_and_do_not_break_the_list(
    store: MlflowStore, graphs: list[Path]
) -> None:
    made = registered(store, graphs[0])
    registry = Registry(store, made.name)
    for garbage in ("good", "nan", ""):
        registry.tag(1, dict.fromkeys(("fid", "evidence"), garbage))
        assert [each.fid for each in registry.versions()] == [None]
        found = registry.get(1)
        assert (found.fid, found.evaluation, found.certificate, found.contract) == (None, None, None, None)


def test_a_figure_that_is_not_a_number_is_no_evidence(store: MlflowStore, graphs: list[Path]) -> None:
    made = registered(store, graphs[0], fid=float("nan"))
    assert (made.fid, made.evaluation) == (None, None)


def test_a_second_store_in_the_same_process_is_not_written_to(
    store: MlflowStore, empty_database: Path, graphs: list[Path], tmp_path: Path
) -> None:
    other = factories.project(tmp_path / "other", empty_database)
    second = connect(other)  # MLflow's own calls would now go there
    made = registered(store, graphs[0])
    assert Registry(store, made.name).download(made, tmp_path / "m.onnx").is_file()
    assert Registry(second, made.name).versions() == []
    assert not (other.root / "mlruns").exists()


def test_a_graph_without_a_certificate_is_not_registered(
    store: MlflowStore, graphs: list[Path], tmp_path: Path
) -> None:
    import onnx

    model = onnx.load(graphs[0])
    kept = [entry for entry in model.metadata_props if entry.key != "parity"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    bare = tmp_path / "bare.onnx"
    onnx.save(model, bare)
    run_id = finished_run(store)
    with pytest.raises(BadInput, match="parity certificate"):
        Registry(store, "m").register(run_id, bare, evaluation=evaluation(), data=data_version())
    assert Registry(store, "m").versions() == []


def test_a_registration_that_was_cut_off_is_gone_on_with_and_not_made_twice(
    store: MlflowStore, graphs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, run_id = Registry(store, "m"), finished_run(store)

    def register(fid: float) -> Version:
        return registry.register(run_id, graphs[0], evaluation=evaluation(fid), data=data_version())

    def away(*_: object) -> Path:
        raise Unavailable("away")

    with monkeypatch.context() as patch, pytest.raises(Unavailable):
        patch.setattr(Registry, "download", away)
        register(5.0)
    assert registry.aliases() == {}
    assert register(5.0).version == 1
    assert registry.aliases() == {CHALLENGER: 1}
    assert register(4.0).version == 2, "another evaluation is another version"


def test_the_list_is_json_of_objects(store: MlflowStore, graphs: list[Path]) -> None:
    made = registered(store, graphs[0])
    row = json.loads(made.model_dump_json())
    assert {"version", "family", "aliases", "fid", "sha256"} <= row.keys()
