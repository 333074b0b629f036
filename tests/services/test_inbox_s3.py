"""An inbox on a server that speaks S3: what a folder promises, refusals, and kills and outages in the middle of it.

DVC's own steps are replaced by their outcome.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from ganlib import config
from ganlib.core.errors import BadInput, Unavailable
from ganlib.core.files import sha256_bytes
from ganlib.core.project import Project
from ganlib.data.versioning import lineage
from ganlib.jobs.doctor.finding import HealthContext
from ganlib.jobs.doctor.stores import stores
from ganlib.jobs.triggers import images, merge
from ganlib.jobs.triggers.inbox.owner import FILE
from ganlib.jobs.triggers.inbox.remote import RemoteInbox
from ganlib.jobs.triggers.situation import Situation
from tests import factories
from tests.services.conftest import free_port
from tests.services.s3 import BUCKET, ask, user
from tests.services.wire import Wire
from tests.support import inboxes
from tests.support.forks import forks
from tests.support.inbox_suite import LATER, InboxPlace, InboxSuite
from tests.unit.data.importing.pictures import encoded, noise

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.slow]

PREFIX = "some/where"
URL = f"s3://{BUCKET}/{PREFIX}"
NEW = tuple(encoded(noise((16, 16), seed=9000 + number)) for number in range(3))


class Prefix(InboxPlace):
    """An inbox that is ``PREFIX`` of the bucket."""

    def __init__(self, s3: Any, project: Project) -> None:
        self.s3 = s3
        self.inbox = RemoteInbox(URL, project)

    def put(self, name: str, content: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=content)

    def delete(self, name: str) -> None:
        self.s3.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}")

    def everything(self) -> dict[str, bytes]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {
            key.removeprefix(f"{PREFIX}/"): self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys
        }

    def contents(self) -> dict[str, bytes]:
        return {name: content for name, content in self.everything().items() if not name.startswith(".")}

    def fill(self) -> None:
        """Three new images, one of them twice, and what is no image."""
        for number, content in enumerate(NEW):
            self.put(f"dog/{number}.png", content)
        self.put("dog/copy.png", NEW[0])
        self.put("dog/broken.png", b"x")


@pytest.fixture
def place(s3: Any, tmp_path: Path) -> Prefix:
    return Prefix(s3, Project(tmp_path))


class TestRemoteInbox(InboxSuite):
    """With the fixture ``place`` of this file."""

    def test_many_objects_are_one_listing_in_pages(self, place: Prefix, s3_server: str) -> None:
        for number in range(25):
            place.put(f"{number}.png", b"x")
        place.put("folder/", b"")  # as consoles make one
        place.s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}-not/1.png", Body=b"x")
        for action in ("reset", "start"):
            requests.post(f"{s3_server}/moto-api/recorder/{action}-recording", timeout=60)
        assert len(place.inbox.scan(0, LATER).ready) == 25
        requests.post(f"{s3_server}/moto-api/recorder/stop-recording", timeout=60)
        lines = requests.get(f"{s3_server}/moto-api/recorder/download-recording", timeout=60).text.splitlines()
        recorded = [json.loads(line) for line in lines]
        assert [each["method"] for each in recorded] == ["GET"] * 3, recorded
        assert all("list-type=2" in each["url"] for each in recorded), recorded

    def test_what_a_kill_left_in_quarantine_as_well_is_there_once(self, place: Prefix) -> None:
        for _ in range(2):
            place.inbox.set_aside(place.arrival("bird/1.png", b"one"), "damaged")
        assert place.contents().keys() == {"quarantine/bird/1.png", "quarantine/bird/1.png.txt"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return inboxes.make(tmp_path_factory.mktemp("made") / "project", URL).root


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of its own whose inbox is the prefix."""
    for name, stand_in in inboxes.STAND_INS.items():
        monkeypatch.setattr(merge, name, stand_in)
    return Project(Path(shutil.copytree(made, tmp_path / "project")))


def check(project: Project, place: Prefix, parent: str | None) -> None:
    """Each image is in the data once, and nothing but quarantine and owner in the inbox."""
    found = inboxes.images(project)
    assert set(found.values()) == {1}
    assert len(found) == inboxes.FIRST + len(NEW)
    assert {sha256_bytes(content) for content in NEW} <= found.keys()
    assert lineage.read(project).versions[inboxes.pinned(project) or ""].parent == parent
    assert place.everything().keys() == {FILE, "quarantine/dog/broken.png", "quarantine/dog/broken.png.txt"}


def situation(project: Project, now: float = LATER) -> Situation:
    return Situation(project, config.load(project.params_file), None, datetime.fromtimestamp(now, UTC))  # type: ignore[arg-type]


def test_new_images_become_a_data_version_that_knows_its_parent(project: Project, place: Prefix) -> None:
    parent = inboxes.pinned(project)
    assert images.due(situation(project)) is None
    place.fill()
    listed = place.contents()
    assert images.due(situation(project)) == f"5 files wait in {URL}"
    assert images.due(situation(project, now=0)) is None, "they are all new"
    assert place.everything() == listed, "a look changes nothing"
    intake = inboxes.empty(project)
    assert (intake.new_images, intake.duplicates, intake.quarantine.keys()) == (3, 1, {"dog/broken.png"})
    assert (intake.parent, intake.data_version) == (parent, inboxes.pinned(project))
    check(project, place, parent)
    assert images.due(situation(project)) is None
    assert inboxes.empty(project) == merge.Intake()


def test_another_checkouts_images_are_no_cause_here_and_are_not_taken(
    project: Project, place: Prefix, tmp_path: Path
) -> None:
    inboxes.empty(project)
    place.fill()
    before = place.everything()
    other = Project(Path(shutil.copytree(project.root, tmp_path / "other")))
    assert (situation(other).inbox_owner or "").endswith(f":{project.root}")
    assert images.due(situation(other)) is None
    with pytest.raises(BadInput, match=rf"belongs to the checkout \S+:{project.root}, which takes its images"):
        inboxes.empty(other)
    assert place.everything() == before
    place.delete(FILE)
    assert inboxes.empty(other).new_images == 3
    assert images.due(situation(project)) is None, "it is the other's from now on"


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (None, "refuses these credentials"),
        (("s3:ListBucket", "s3:GetObject"), "may not put and delete objects in"),
        (("s3:ListBucket", "s3:GetObject", "s3:PutObject"), "may not put and delete objects in"),
        (("s3:PutObject", "s3:DeleteObject"), "refuses these credentials"),
    ],
)
def test_credentials_that_do_not_suffice_are_one_line_and_nothing_is_taken(
    project: Project,
    place: Prefix,
    s3_server: str,
    monkeypatch: pytest.MonkeyPatch,
    actions: tuple[str, ...] | None,
    words: str,
) -> None:
    place.fill()
    before, params = place.contents(), project.params_file.read_bytes()
    guessed = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "guessed"}
    for name, value in (user("reader", *actions) if actions else guessed).items():
        monkeypatch.setenv(name, value)
    ask(s3_server, asks=True)
    for attempt in (lambda: images.due(situation(project)), lambda: inboxes.empty(project)):
        with pytest.raises(BadInput, match=words) as caught:
            attempt()
        assert "\n" not in str(caught.value)
    ask(s3_server, asks=False)
    assert (place.contents(), project.params_file.read_bytes()) == (before, params)


def test_no_bucket_and_no_server_are_one_line_and_nothing_is_changed(
    project: Project, place: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = project.params_file.read_text()
    project.params_file.write_text(params.replace(URL, "s3://gone/in"))
    for attempt in (lambda: images.due(situation(project)), lambda: inboxes.empty(project)):
        with pytest.raises(BadInput, match="there is no bucket 'gone' for s3://gone/in"):
            attempt()
    project.params_file.write_text(params)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # s3fs itself tries again
    for attempt in (lambda: images.due(situation(project)), lambda: inboxes.empty(project)):
        with pytest.raises(Unavailable, match="cannot be reached"):
            attempt()
    assert project.params_file.read_text() == params
    assert place.everything() == {}


@pytest.fixture
def wire(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """What leads to the server, for all but the fixtures."""
    wire = Wire(int(s3_server.rpartition(":")[2]))
    monkeypatch.setenv("AWS_ENDPOINT_URL", wire.url)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # s3fs itself tries again
    yield wire
    wire.cut()


@pytest.mark.parametrize("request_before", ["the first image", "the quarantine", "a removal", "the last removal"])
def test_an_outage_in_the_middle_costs_no_image_and_doubles_none(
    place: Prefix, project: Project, wire: Wire, monkeypatch: pytest.MonkeyPatch, request_before: str
) -> None:
    place.fill()
    parent, before = inboxes.pinned(project), project.params_file.read_bytes()
    method, count = {
        "the first image": ("read", 1),
        "the quarantine": ("set_aside", 1),
        "a removal": ("remove", 2),  # the first is of what went to the quarantine
        "the last removal": ("remove", 5),
    }[request_before]
    clean, calls = getattr(RemoteInbox, method), Counter[str]()

    def cutting(*arguments: Any) -> Any:
        calls[method] += 1
        if calls[method] == count:
            wire.cut()
        return clean(*arguments)

    monkeypatch.setattr(RemoteInbox, method, cutting)
    with pytest.raises(Unavailable, match="cannot be reached"):
        inboxes.empty(project)
    made = inboxes.pinned(project) != parent
    assert made is (method == "remove")
    assert made or project.params_file.read_bytes() == before
    wire.mend()
    inboxes.empty(project)
    check(project, place, parent)


def spoil(before: Callable[[], None]) -> None:
    """Have ``before`` called before each request that changes something on S3."""
    import s3fs

    call = s3fs.S3FileSystem._call_s3  # noqa: SLF001  (below all that the inbox does)

    async def spoilt(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
        if method in ("put_object", "delete_object"):
            before()
        return await call(self, method, *arguments, **options)

    s3fs.S3FileSystem._call_s3 = spoilt  # noqa: SLF001  (as above)


def test_a_kill_before_any_request_costs_no_image_and_doubles_none(
    made: Path, place: Prefix, project: Project, tmp_path: Path
) -> None:
    parent = inboxes.pinned(project)
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    codes: Counter[int | None] = Counter()
    step = 0
    while codes[0] == 0:
        for name in place.everything():
            place.delete(name)
        place.fill()
        one = Project(Path(shutil.copytree(made, tmp_path / f"{step}")))
        process: Any = forks.Process(target=inboxes.empty_and_die, args=(str(one.root), step, spoil, environment))
        process.start()
        process.join(300)
        codes[process.exitcode] += 1
        inboxes.empty(one)
        check(one, place, parent)
        step += 1
    assert codes.keys() == {0, -signal.SIGKILL}
    assert codes[-signal.SIGKILL] == 10  # twice to try, owner, three for the quarantine, four images


def test_the_doctor_tries_every_store(s3: Any, tmp_path: Path) -> None:
    project = factories.project(tmp_path / "project")
    values = yaml.safe_load(project.params_file.read_text())
    values["services"]["outputs"] = ["out", f"s3://{BUCKET}/batches"]
    values["triggers"]["inbox"] = "s3://no-such-bucket/in"
    project.params_file.write_text(yaml.safe_dump(values))
    first, second = stores(HealthContext(project, fix=False, deep=False))
    assert (first.state, first.words) == ("ok", f"s3://{BUCKET}/batches may be written and cleared")
    assert (second.state, second.cure) == ("problem", "triggers.inbox, or its credentials")
    assert "there is no bucket 'no-such-bucket'" in second.words
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)
