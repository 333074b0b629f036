"""What the gate goes by and what it decided, in full: files beside a version's graph, found by the sha256 in a tag.

Tags are for people, and the page shows all of them. Versions of releases before this one, and those whose bytes are no
model of MLflow's, have such records in the tags themselves; they are read all the same.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ganlib.core.errors import GanlibError
from ganlib.core.files import sha256_bytes, write_bytes
from ganlib.core.record import Record
from ganlib.evaluation.evaluate import Evaluation
from ganlib.export.contract import Contract
from ganlib.export.onnx import Certificate
from ganlib.registry.version import GATE
from ganlib.tracking.store import Absent, MlflowStore

EVIDENCE, DECISION, SIGNATURE = "evidence", "decision", "signature"
"""Tags: the sha256 of the record of that name, or the record itself where there is no model to put it beside."""
FOLDER = "records"
"""Of the logged model."""
PARTS = ("evaluation", "certificate", "contract")
"""Of the evidence; before this release each had a tag of its own."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOGGED_MODEL = re.compile(r"models:/(m-[0-9a-f]+)")
_COPY = re.compile(r"models:/([A-Za-z0-9._-]+)/([0-9]{1,9})")
_COPIES = 5  # of copies, before we stop asking where the first one is

AnyRecord = TypeVar("AnyRecord", bound=Record)


class Proof(Record):
    """What the gate goes by; None where there is none, or nothing that can be read."""

    evaluation: Evaluation | None = None
    certificate: Certificate | None = None
    contract: Contract | None = None
    damage: str | None = None
    """Why what was recorded cannot be relied upon, in words."""


def evidence(evaluation: Evaluation, certificate: str, contract: Contract) -> str:
    """Return the text of the record; ``certificate`` is JSON, as the graph carries it."""
    parts = (evaluation.model_dump_json(), certificate, contract.model_dump_json())
    return json.dumps({name: json.loads(text) for name, text in zip(PARTS, parts, strict=True)}, sort_keys=True)


class Records:
    """The records of the versions in ``store``, each read from MLflow once and kept in the state folder."""

    def __init__(self, store: MlflowStore) -> None:
        """Nothing is asked of MLflow yet."""
        self._store = store

    def write(self, source: str, name: str, text: str) -> str:
        """Store the record ``name`` of a version that stands for the model ``source``; what its tag is to hold.

        The file's name has the record's sha256, so that an old tag still fits an old file.

        Raises:
            Unavailable: MLflow does not answer.
        """
        match = _LOGGED_MODEL.fullmatch(source)
        if match is None:
            return text
        self._store.require_writable()
        content = text.encode()
        sha256 = sha256_bytes(content)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _file(name, sha256)
            path.write_bytes(content)
            with self._store.translate_errors():
                self._store.client.log_model_artifact(match[1], str(path), FOLDER)
        self._keep(sha256, content)
        return sha256

    def read(self, source: str, name: str, value: str) -> str | None:
        """Return the record whose tag is ``value``; None if the file is gone or is not the one that was recorded.

        Raises:
            Unavailable: MLflow does not answer. That is never taken for a record that is gone.
        """
        if not _SHA256.fullmatch(value):
            return value
        with suppress(OSError):
            if sha256_bytes(data := self._cache_file(value).read_bytes()) == value:
                return data.decode()
        content = self.fetch(source, _file(name, value))
        if content is None or sha256_bytes(content) != value:
            return None
        self._keep(value, content)
        return content.decode()

    def proof(self, source: str, tags: Mapping[str, str]) -> Proof:
        """Return what the gate goes by.

        Raises:
            Unavailable: MLflow does not answer.
        """
        if EVIDENCE not in tags:
            return _parsed(tags)
        text = self.read(source, EVIDENCE, tags[EVIDENCE])
        try:
            proof = json.loads(text or "")
            return _parsed({name: json.dumps(proof[name]) for name in PARTS if name in proof})
        except (ValueError, TypeError):
            what = "was changed or is gone" if text is None else "is no record of ours"
            return Proof(damage=f"the file that its tag {EVIDENCE} names {what}")

    def decision(self, source: str, tags: Mapping[str, str]) -> str | None:
        """Return the gate's last decision as JSON; None if there is none that can be read."""
        if DECISION in tags:
            return self.read(source, DECISION, tags[DECISION])
        old = tags.get(GATE, "")
        return old if old.startswith("{") else None

    def fetch(self, source: str, file: str) -> bytes | None:
        """Read ``file`` of the logged model from the artifact store; None if there is none."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        model = self._logged(source)
        if model is None:
            return None
        with tempfile.TemporaryDirectory() as folder, self._store.translate_errors():
            try:
                place = self._store.client.get_logged_model(model).artifact_location
            except Exception as error:
                if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise
            repository = get_artifact_repository(place, self._store.uri)
            # Asked for first: an artifact store says in many ways that it has no such file, or that it is away.
            if all(each.path != f"{FOLDER}/{file}" for each in repository.list_artifacts(FOLDER)):
                return None
            return Path(repository.download_artifacts(f"{FOLDER}/{file}", folder)).read_bytes()

    def _logged(self, source: str) -> str | None:
        """The id of the logged model behind ``source``; *Promote model* in MLflow's page makes copies of versions."""
        for _ in range(_COPIES):
            if match := _LOGGED_MODEL.fullmatch(source):
                return match[1]
            if not (match := _COPY.fullmatch(source)):
                return None
            try:
                with self._store.translate_errors():
                    source = str(self._store.client.get_model_version(match[1], match[2]).source)
            except Absent:
                return None
        return None

    def _cache_file(self, sha256: str) -> Path:
        return self._store.project.state / "cache" / FOLDER / f"{sha256}.json"

    def _keep(self, sha256: str, content: bytes) -> None:
        try:
            write_bytes(self._cache_file(sha256), content)
        except (GanlibError, OSError) as error:  # a state folder that we may only read: it is asked for again
            logging.getLogger("ganlib").debug("record %s is not kept: %s", sha256, error)


def _file(name: str, sha256: str) -> str:
    return f"{name}-{sha256}.json"


def _parsed(texts: Mapping[str, str]) -> Proof:
    return Proof(
        evaluation=_read(Evaluation, texts.get("evaluation")),
        certificate=_read(Certificate, texts.get("certificate")),
        contract=_read(Contract, texts.get("contract")),
    )


def _read(model: type[AnyRecord], text: str | None) -> AnyRecord | None:
    """A record from its text; None if there is none or people have overwritten it with something else."""
    if text is None:
        return None
    try:
        return model.model_validate_json(text)
    except ValueError:
        return None
