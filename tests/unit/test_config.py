"""Configuration: one source, frozen, and strict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from ganlib.config import Params, load
from ganlib.core.errors import BadInput
from ganlib.generation.noise import require_seed
from ganlib.serving.schema import ImagesRequest
from tests.conftest import ROOT

PARAMS = ROOT / "params.yaml"


def test_the_committed_file_names_every_key_once_and_holds_the_defaults() -> None:
    import yaml

    written = yaml.safe_load(PARAMS.read_text())
    assert set(written) == set(Params.model_fields)
    for section, values in written.items():
        if section not in ("families", "budgets"):
            assert set(values) == set(Params.model_fields[section].annotation.model_fields), section  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.seeed=3", "Did you mean 'seed'"),
        ("budgets.demo.step=3", "Did you mean 'steps'"),
        ("trane.seed=1", "Did you mean 'train'"),
        ("train.seed=x", "train.seed"),
        ("train.seed=-1", "train.seed"),
        ("evaluate.samples=64", "evaluate.samples"),
        ("registry.model=../x", "registry.model"),
        ("nonsense", "section.key=value"),
        ("train.seed.deeper=1", "not a section"),
        ("train.seed=[1", "not a YAML value"),
        ("signing.required=false", "not for one run to say"),
        ("signing={}", "not for one run to say"),
    ],
)
def test_a_bad_override_is_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        load(PARAMS, [override])
    assert "\n" not in str(caught.value)


def test_an_override_changes_its_value_and_no_other() -> None:
    before, after = load(PARAMS), load(PARAMS, ["train.seed=5"])
    assert after.train.seed == 5
    assert after.model_copy(update={"train": before.train}) == before


def test_configuration_cannot_be_changed_after_it_is_read() -> None:
    with pytest.raises(ValidationError):
        load(PARAMS).train.seed = 4  # type: ignore[misc]


def test_a_missing_or_broken_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read"):
        load(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [")
    with pytest.raises(BadInput, match="not YAML"):
        load(tmp_path / "params.yaml")


def test_an_unknown_budget_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BadInput, match="Did you mean 'demo'"):
        load(PARAMS).require_budget("dmo")


def test_a_family_may_have_limits_of_its_own() -> None:
    params = load(PARAMS, ["budgets.demo.families.vae={steps: 7, seconds: 8}"])
    assert params.limits("vae", "demo").steps == 7
    assert params.limits("dcgan", "demo").steps == params.budgets["demo"].steps


def test_a_machines_environment_overrides_services_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANLIB_SERVICES_MLFLOW_PORT", "5051")
    monkeypatch.setenv("GANLIB_SERVICES_PREFECT_PORT", "auto")
    monkeypatch.setenv("GANLIB_SERVICES_OUTPUTS", "[out, s3://bucket/ours]")
    services = load(PARAMS).services
    assert (services.mlflow_port, services.prefect_port) == (5051, 0)
    assert services.outputs == ("out", "s3://bucket/ours")
    assert load(PARAMS, ["services.mlflow_port=5052"]).services.mlflow_port == 5052


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("GANLIB_SERVICES_MLFLOW_PROT", "1", "Did you mean 'GANLIB_SERVICES_MLFLOW_PORT'"),
        ("GANLIB_SERVICES_MLFLOW_PORT", "70000", "services.mlflow_port"),
        ("GANLIB_SERVICES_MLFLOW_PORT", "80", "services.mlflow_port"),
        ("GANLIB_SERVICES_MLFLOW_PORT", "any", "services.mlflow_port"),
    ],
)
def test_a_mistake_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=message):
        load(PARAMS)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mlflow", "https://ann:sesame@mlflow.example", "without a password"),
        ("prefect", "https://ann:sesame@prefect.example/api", "without a password"),
        ("database", "postgresql://ann:sesame@db.example:5432", "without a password"),
        ("artifacts", "s3://bucket/a?X-Amz-Signature=sesame", "without a password"),
        ("dvc_remote", "ssh://ann:sesame@host/dvc", "without a password"),
        ("prefect", "https://prefect.example", "https://prefect.example.org/api"),
        ("database", "postgresql://ann@db.example/own", "postgresql://USER@HOST:PORT"),
        ("mlflow", "mlflow.example", "https://mlflow.example.org"),
    ],
)
def test_a_server_is_named_by_a_url_that_holds_no_secret(key: str, value: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        load(PARAMS, [f"services.{key}={value}"])
    assert f"services.{key} must be " in str(caught.value)
    assert message in str(caught.value)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(("seed", "fits"), [(2**63, True), (2**64 - 1, True), (2**64, False)])
def test_a_seed_of_images_has_one_limit_in_params_on_the_command_line_and_over_http(seed: int, fits: bool) -> None:
    def allowed(read: Callable[[], object]) -> bool:
        try:
            read()
        except (BadInput, ValidationError):
            return False
        return True

    assert allowed(lambda: load(PARAMS, [f"generate.seed={seed}"])) is fits
    assert allowed(lambda: require_seed(seed)) is fits
    assert allowed(lambda: ImagesRequest(seed=seed)) is fits
