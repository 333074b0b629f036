"""Versions of the registered model: what people see in tags, their names in aliases, their bytes by sha256."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ganlib.config import Params
from ganlib.config.keys import project_keys
from ganlib.core.errors import BadInput, Corrupt, GanlibError, unknown
from ganlib.core.files import atomic_path, require_space, sha256_bytes, sha256_file
from ganlib.core.locks import hold
from ganlib.data.versioning.record import DataVersion
from ganlib.evaluation.evaluate import Evaluation
from ganlib.export import signature
from ganlib.export.contract import describe
from ganlib.registry import logged_models, records
from ganlib.registry.logged_models import MODELS
from ganlib.registry.records import DECISION, EVIDENCE, SIGNATURE, Records
from ganlib.registry.version import GATE, NO_DECISION, PRECISION_TAG, SIBLING_TAG, listed
from ganlib.registry.version import Listing as Listing
from ganlib.registry.version import Version as Version
from ganlib.tracking.runs import UNHEALTHY_TAG
from ganlib.tracking.store import Absent, MlflowStore

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


def alias_lock(state: Path) -> AbstractContextManager[None]:
    """Held by whoever moves aliases; ``state`` is the project's state folder."""
    return hold(state / "promotion.lock", what="promotion")


class Registry:
    """The registered model ``name`` in ``store``."""

    def __init__(self, store: MlflowStore, name: str) -> None:
        """Nothing is asked of MLflow yet."""
        self.store, self.name = store, name
        self._records = Records(store)

    def register(
        self,
        run_id: str,
        onnx: Path,
        *,
        evaluation: Evaluation,
        data: DataVersion,
        candidates: int = 1,
        sibling_of: int | None = None,
    ) -> Version:
        """Log the graph at ``onnx`` to its run as an MLflow model, and make it a version with the alias ``challenger``.

        The stored bytes are read back and must be those at ``onnx``. ``candidates`` is the number of models that it was
        chosen from by its figures: the more there were, the more a good figure owes to chance. A sibling of another
        version is linked to it by tags, and leaves the alias to whichever version has it. A call that was cut off, as a
        server went away, has left its version, if nothing was decided about it: the same call goes on with that one.

        Raises:
            BadInput: the file is damaged, no graph of the contract, or has no parity certificate.
            Unavailable: MLflow does not answer.
        """
        keys = project_keys(self.store.project)
        bundle = signature.sign_graph(onnx, keys) if keys.private_file else None
        content = onnx.read_bytes()
        description = describe(content, str(onnx))
        if "parity" not in description.metadata:
            raise BadInput(f"{onnx} carries no parity certificate: export it with ganlib.")
        family = description.metadata.get("family", "unknown")
        sha256 = sha256_bytes(content)
        tags = {**_figures(evaluation), "family": family, "data_version": data.md5, "sha256": sha256}
        if candidates > 1:
            tags["candidates"] = str(candidates)
        if sibling_of is not None:
            tags[SIBLING_TAG] = str(sibling_of)
        if precision := description.metadata.get("precision"):
            tags[PRECISION_TAG] = precision
        with self.store.translate_errors():
            if problem := self.store.client.get_run(run_id).data.tags.get(UNHEALTHY_TAG):
                tags["unhealthy"] = problem
        proof = records.evidence(evaluation, description.metadata["parity"], description.contract)
        # The verdict first, as the page lists tags in this order.
        marks = {GATE: NO_DECISION, **tags, EVIDENCE: sha256_bytes(proof.encode())}
        number = self._cut_off(run_id, marks)
        if number is None:
            with self.store.translate_errors():
                model_id = logged_models.log(self.store, content, run_id, description.contract, tags)
            source = f"{MODELS}{model_id}"
            self._records.write(source, EVIDENCE, proof)
            if bundle:
                marks[SIGNATURE] = self._records.write(source, SIGNATURE, bundle)
            number = self._create(run_id, model_id, marks)
        version = self.get(number)
        with tempfile.TemporaryDirectory() as folder:
            self.download(version, Path(folder) / "stored.onnx")
        if sibling_of is None:
            with alias_lock(self.store.project.state):
                self.set_alias(CHALLENGER, version.version)
        return self.get(version.version)

    def _cut_off(self, run_id: str, tags: Mapping[str, str]) -> int | None:
        """Return the version of ``run_id`` that has all of ``tags``; None: there is none."""
        with self.store.translate_errors():
            entries = self.store.client.search_model_versions(f"name = '{self.name}' and run_id = '{run_id}'")
        return next((_at(entry) for entry in entries if tags.items() <= entry.tags.items()), None)

    def _create(self, run_id: str, model_id: str, tags: dict[str, str]) -> int:
        source, create = f"{MODELS}{model_id}", self.store.client.create_model_version
        with self.store.translate_errors():
            self._ensure_model()
            return _at(create(self.name, source, run_id, tags, model_id=model_id, await_creation_for=0))

    def versions(self) -> list[Listing]:
        """Return all versions, newest first, without their evidence; empty if nothing was ever registered."""
        aliases = self._aliases()
        with self.store.translate_errors():
            versions = self.store.client.search_model_versions(f"name = '{self.name}'", max_results=10_000)
        rows = [Listing(**listed(entry, aliases.get(int(entry.version), ()))) for entry in versions]
        return sorted(rows, key=lambda version: -version.version)

    def get(self, number: int) -> Version:
        """Return version ``number``.

        Raises:
            Absent: there is none.
            Unavailable: MLflow does not answer, or cannot be asked for its evidence.
        """
        try:
            with self.store.translate_errors():
                entry = self.store.client.get_model_version(self.name, str(number))
        except Absent as error:
            raise Absent(f"{self.name} has no version {number}: see `ganlib registry list`.") from error
        proof = self._records.proof(str(entry.source), entry.tags)
        fields = listed(entry, tuple(sorted(entry.aliases)))
        if proof.evaluation is not None and fields["fid"] is not None:
            fields["fid"] = proof.evaluation.fid.value  # the tag is rounded
        return Version(**fields, **dict(proof))

    def aliases(self) -> dict[str, int]:
        """Return the version number by alias, in one question to MLflow; empty if nothing was ever registered.

        Raises:
            Unavailable: MLflow does not answer.
        """
        try:
            with self.store.translate_errors():
                targets = self.store.client.get_registered_model(self.name).aliases
        except Absent:
            return {}
        return {alias: int(target) for alias, target in targets.items()}

    def alias(self, alias: str) -> Version | None:
        """Return the version that ``alias`` points to; None only if MLflow answered that there is no such alias.

        Raises:
            GanlibError: the alias points to a version that is gone: the registry is corrupt.
            Unavailable: MLflow does not answer. That is never taken for "no champion".
        """
        number = self.aliases().get(alias)
        if number is None:
            return None
        try:
            return self.get(number)
        except Absent as error:
            raise GanlibError(
                f"the registry is corrupt: {alias!r} of {self.name} points to version {number}, which is gone. "
                "Set the alias to a version that exists; nothing was changed."
            ) from error

    def download(self, version: Version, out: Path) -> Path:
        """Copy the graph of ``version`` to ``out``, atomically, once its bytes are those that were registered.

        Raises:
            Corrupt: they are not. ``out`` is untouched.
            BadInput: the version holds no graph of ours, or ``out`` cannot be written.
        """
        import mlflow

        if version.sha256 is None:
            raise BadInput(f"{version.uri} has no sha256 tag: it was not registered by ganlib and is not loaded.")
        with tempfile.TemporaryDirectory() as folder:
            with self.store.translate_errors():
                try:
                    mlflow.artifacts.download_artifacts(
                        version.uri, dst_path=folder, tracking_uri=self.store.uri, registry_uri=self.store.uri
                    )
                except FileNotFoundError as error:
                    raise Absent(f"the artifacts of {version.uri} are gone: {error}.") from error
            graph = Path(folder) / "model.onnx"
            if not graph.is_file():
                raise BadInput(f"{version.uri} holds no model.onnx.")
            if (actual := sha256_file(graph)) != version.sha256:
                raise Corrupt(
                    f"the stored graph of {version.uri}",
                    expected=version.sha256,
                    actual=actual,
                    hint="Nothing was loaded. Restore the artifact, or go back: ganlib rollback",
                )
            require_space(out.parent, graph.stat().st_size)
            with atomic_path(out) as part:
                shutil.copyfile(graph, part)
        return out

    def set_alias(self, alias: str, number: int) -> None:
        """Point ``alias`` to version ``number``."""
        with self.store.translate_errors():
            self.store.client.set_registered_model_alias(self.name, alias, str(number))

    def drop_alias(self, alias: str) -> None:
        """Remove ``alias`` if it is set."""
        with self.store.translate_errors():
            if alias in self.store.client.get_registered_model(self.name).aliases:
                self.store.client.delete_registered_model_alias(self.name, alias)

    def tagged(self, key: str) -> dict[int, str]:
        """Return the value of tag ``key`` by version, of those that have it."""
        with self.store.translate_errors():
            versions = self.store.client.search_model_versions(f"name = '{self.name}'", max_results=10_000)
        return {int(entry.version): entry.tags[key] for entry in sorted(versions, key=_at) if key in entry.tags}

    def untag(self, number: int, key: str) -> None:
        """Remove tag ``key`` of version ``number``, if it is there."""
        if key in self.tags(number):
            with self.store.translate_errors():
                self.store.client.delete_model_version_tag(self.name, str(number), key)

    def dangling(self, alias: str) -> bool:
        """Say whether ``alias`` points to a version that is gone: older servers leave it so when one is deleted."""
        number = self.aliases().get(alias)
        try:
            if number is not None:
                self.get(number)
        except Absent:
            return True
        return False

    def retire_challenger(self, number: int) -> None:
        """Remove the alias ``challenger`` if it still points to version ``number``."""
        if self.aliases().get(CHALLENGER) == number:
            with self.store.translate_errors():
                self.store.client.delete_registered_model_alias(self.name, CHALLENGER)

    def tag(self, number: int, tags: Mapping[str, str]) -> None:
        """Set tags of version ``number``."""
        with self.store.translate_errors():
            for key, value in tags.items():
                self.store.client.set_model_version_tag(self.name, str(number), key, value)

    def record_evaluation(self, number: int, evaluation: Evaluation, onnx: Path) -> None:
        """Put ``evaluation``, and what the graph at ``onnx`` says of itself, in place of the evidence of ``number``."""
        description = describe(onnx.read_bytes(), str(onnx))
        proof = records.evidence(evaluation, description.metadata.get("parity", "null"), description.contract)
        value = self._records.write(self.model_of(number), EVIDENCE, proof)
        self.tag(number, {**_figures(evaluation), EVIDENCE: value})
        for part in records.PARTS:
            self.untag(number, part)

    def record_decision(self, number: int, decision: str, word: str) -> None:
        """Keep the gate's ``decision`` (JSON) on version ``number``, and its ``word`` in the tag ``gate``."""
        value = self._records.write(self.model_of(number), DECISION, decision)
        self.tag(number, {DECISION: value, GATE: word})

    def decision(self, number: int) -> str | None:
        """Return the gate's last decision on version ``number`` as JSON; None if there is none that can be read."""
        with self.store.translate_errors():
            entry = self.store.client.get_model_version(self.name, str(number))
        return self._records.decision(str(entry.source), entry.tags)

    def describe(self, number: int, text: str) -> None:
        """Make ``text`` the description of version ``number``."""
        with self.store.translate_errors():
            self.store.client.update_model_version(self.name, str(number), text)

    def tags(self, number: int) -> dict[str, str]:
        """Return all tags of version ``number``."""
        with self.store.translate_errors():
            return dict(self.store.client.get_model_version(self.name, str(number)).tags)

    def model_of(self, number: int) -> str:
        """Return the URI of the model that version ``number`` stands for: what its bytes are stored under."""
        with self.store.translate_errors():
            return str(self.store.client.get_model_version(self.name, str(number)).source)

    def model_bytes(self, uri: str) -> int:
        """Return the number of bytes of the logged model ``uri``; 0 if it is none, or its files are gone."""
        model = logged_models.location(self.store, uri)
        return self.store.artifact_bytes(model) if model else 0

    def remove(self, number: int, uri: str | None) -> None:
        """Delete version ``number``, and then the logged model ``uri`` with its files if one is given."""
        with self.store.translate_errors():
            self.store.client.delete_model_version(self.name, str(number))
        if uri and (model := logged_models.location(self.store, uri)):
            self.store.remove_artifacts(model)
            with self.store.translate_errors():
                self.store.client.delete_logged_model(uri.removeprefix(MODELS))

    def _aliases(self) -> dict[int, tuple[str, ...]]:
        """The aliases of each version that has any, by its number."""
        targets = self.aliases()
        return {n: tuple(sorted(alias for alias in targets if targets[alias] == n)) for n in set(targets.values())}

    def _ensure_model(self) -> None:
        try:
            self.store.client.create_registered_model(self.name)
        except Exception as error:
            if getattr(error, "error_code", "") != "RESOURCE_ALREADY_EXISTS":
                raise


def registered_models(store: MlflowStore) -> list[str]:
    """Return the names of the registered models that ganlib has made a version of, in alphabetical order.

    Raises:
        Unavailable: MLflow does not answer.
    """
    with store.translate_errors():
        versions = store.client.search_model_versions(max_results=10_000)
    return sorted({entry.name for entry in versions if {"sha256", "family"} <= entry.tags.keys()})


def registered_model(store: MlflowStore, params: Params, name: str | None = None) -> Registry:
    """Return the registered model ``name``; where none is named, that of the project's data.

    Raises:
        BadInput: there is none of that name; the nearest is offered.
        Unavailable: MLflow does not answer.
    """
    own = params.registry.model
    if name is not None and name != own and name not in (names := registered_models(store)):
        raise unknown("model", name, {own, *names})
    return Registry(store, name or own)


def _figures(evaluation: Evaluation) -> dict[str, str]:
    """The tags that tell people what was measured."""
    return {"fid": str(evaluation.fid), "kid": str(evaluation.kid)}


def _at(entry: Any) -> int:
    return int(entry.version)
