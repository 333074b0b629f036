"""Whether DVC's remote would give the data version back."""

from __future__ import annotations

import random
from collections.abc import Iterator

from ganlib.data.versioning import remote as remotes
from ganlib.jobs.doctor.finding import HealthContext, HealthFinding

_SUBJECT = "DVC's remote"
_SAMPLE = 4
"""Files that are read back without ``--deep``, besides the listings: others each time."""


def remote(context: HealthContext) -> Iterator[HealthFinding]:
    """Read a sample of the data version back, or with ``--deep`` all of it; write anew what is damaged, if asked."""
    project = context.project
    place = remotes.default_remote(project)
    if place is None:
        words = "there is none: the data version is on this machine alone"
        yield HealthFinding(subject=_SUBJECT, state="remark", words=words, cure="dvc remote add --default")
        return
    objects = remotes.objects(project)
    files = [each for each in objects if not each.md5.endswith(".dir")]
    if not (context.deep or context.fix) and len(files) > _SAMPLE:
        sample = set(random.sample(files, _SAMPLE))
        objects = [each for each in objects if each.md5.endswith(".dir") or each in sample]
    wrong = [(each, fault) for each in objects if (fault := remotes.damages(place, each))]
    if not wrong:
        words = f"{len(objects):,} objects of {place.name} were read back and are whole"
        yield HealthFinding(subject=_SUBJECT, state="ok", words=words)
        return
    if len(wrong) == len(objects) and not remotes.any_in_cache(project, objects) and not context.fix:
        words = f"{place.name}: nothing of the data version is there, and nothing in DVC's cache, as in a fresh clone"
        yield HealthFinding(subject=_SUBJECT, state="remark", words=words, cure="ganlib data version")
        return
    for each, fault in wrong:
        success = context.fix and remotes.mend(project, place, each)
        cure = "ganlib doctor --fix writes it anew from a sound copy"
        if context.fix and not success:
            cure = "no copy here is sound: ganlib restore a backup elsewhere (docs/recovery.md), or ganlib data version"
        yield HealthFinding(subject=_SUBJECT, state="problem", words=f"{place.name}: {fault}", cure=cure, cured=success)
