"""A recognised source -> ``data/raw``: one array of images, and what belongs to them, written as they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput
from ganlib.core.files import explained, require_space, sha256_file, write_json
from ganlib.core.progress import Report
from ganlib.data import text
from ganlib.data.arrays import ArrayFile, ArrayWriter
from ganlib.data.importing.decode import Rules, Unreadable, decode, from_pixels
from ganlib.data.importing.picture import Layout, Picture
from ganlib.data.importing.record import AppliedRules, Aside, ImportReport, PictureSizes
from ganlib.data.importing.survey import EVERY, Survey, rules_for, survey
from ganlib.data.spec import DatasetSpec, ImageShape

IMAGES, LABELS, CAPTIONS, IN_TEST, REPORT = "images.npy", "labels.npy", "captions.npy", "in-test.npy", "import.json"
_MOST_NAMES = 50  # pictures that are set aside, by name in the report
_MOST_COMMON = 5  # sizes by name in the report
_NO_DATA, _FEW = 10, 200  # fewer pictures are no data set; fewer are hardly one


class _Tally:
    """What is noted of the pictures that were written."""

    def __init__(self) -> None:
        self.aside: list[Aside] = []
        self.cut = 0
        """Captions that were too long."""
        self.plain: list[str] = []
        """Pictures of one colour only."""
        self.colours = False
        """Some pixel is not grey."""
        self.labels: list[int] = []
        self.in_test: list[bool] = []


class _Row(NamedTuple):
    """One picture, ready to be written."""

    image: np.ndarray
    picture: Picture


def run(layout: Layout, name: str, config: DataConfig, out: Path, report: Report) -> ImportReport:
    """Decode all pictures of ``layout`` and fill the empty folder ``out``.

    Args:
        layout: where the pictures are, and what belongs to them.
        name: of the data set.
        config: ``data`` of params.yaml; which size and channels are chosen where it leaves that open.
        out: gets ``images.npy`` uint8 [n, channels, side, side]; ``labels.npy`` int64 [n], ``captions.npy`` uint8
            [n, 64] and ``in-test.npy`` bool as uint8 [n] where the source has labels, captions, a test split of its
            own; and ``import.json``, an :class:`ImportReport`.
        report: told of progress.

    Raises:
        BadInput: more pictures than ``data.max_unreadable`` cannot be read, or what is left is no data set.
        NoSpace: ``out`` does not fit.
    """
    if layout.total < _NO_DATA:
        raise BadInput(
            f"{layout.total} picture{'s are' if layout.total != 1 else ' is'} too few: a data set has at least "
            f"{_NO_DATA}, and {_FEW} are the least that a generator learns from."
        )
    overview = survey(layout, report)
    _require_readable(
        [Aside(name=each, reason=why) for each, why in overview.unreadable.values()], layout.total, config
    )
    rules = rules_for(overview, config)
    out.mkdir(parents=True, exist_ok=True)
    image_bytes = rules.channels * rules.size**2
    require_space(out, layout.total * (image_bytes + 8 + text.CAPTION_LEN))
    with explained(out, layout.total * image_bytes):
        tally = _write(layout, overview, rules, out, report)
    _require_readable(tally.aside, layout.total, config)
    if config.channels == "auto" and rules.channels == 3 and not tally.colours:
        rules = rules._replace(channels=1)
        _fold(out / IMAGES, rules.size)
    result = _report(layout, name, overview, rules, tally, out)
    write_json(out / REPORT, result.model_dump(mode="json"))
    return result


def _write(layout: Layout, overview: Survey, rules: Rules, out: Path, report: Report) -> _Tally:
    tally = _Tally()
    has_captions = None
    index = {name: label for label, name in enumerate(layout.class_names)}
    with ExitStack() as stack:
        images = stack.enter_context(ArrayWriter(out / IMAGES, (rules.channels, rules.size, rules.size)))
        captions: ArrayWriter | None = None
        for image, picture in _decoded(layout, overview, rules, tally, report):
            if has_captions is None:
                has_captions = picture.caption is not None
                if has_captions:
                    captions = stack.enter_context(ArrayWriter(out / CAPTIONS, (text.CAPTION_LEN,)))
            images.append(image[None])
            if captions is not None:
                captions.append(_caption(picture, tally)[None])
            tally.labels.append(index[picture.label] if picture.label is not None else 0)
            tally.in_test.append(picture.split == "test")
            _look_at(image, picture, tally)
    if layout.class_names:
        np.save(out / LABELS, np.array(tally.labels, np.int64))
    if any(tally.in_test):
        np.save(out / IN_TEST, np.array(tally.in_test, np.uint8))
    return tally


def _decoded(layout: Layout, overview: Survey, rules: Rules, tally: _Tally, report: Report) -> Iterator[_Row]:
    """All pictures that can be read, in the source's order; the others are noted."""
    for place, picture in enumerate(layout.pictures()):
        if place in overview.unreadable:
            tally.aside.append(Aside(name=picture.name, reason=overview.unreadable[place][1]))
        elif isinstance(picture.content, np.ndarray):
            yield _Row(from_pixels(picture.content, rules), picture)
        else:
            try:
                with picture.content() as stream:
                    image = decode(stream, rules)
            except (Unreadable, OSError) as error:
                tally.aside.append(Aside(name=picture.name, reason=str(error)))
            else:
                yield _Row(image, picture)
        if place % EVERY == EVERY - 1 or place + 1 == layout.total:
            report.advance("read the pictures", place + 1, layout.total)


def _look_at(image: np.ndarray, picture: Picture, tally: _Tally) -> None:
    if (image == image[:, :1, :1]).all():
        tally.plain.append(picture.name)
    if not tally.colours and len(image) == 3:
        tally.colours = bool((image != image[:1]).any())


def _caption(picture: Picture, tally: _Tally) -> np.ndarray:
    plain = text.normalise(picture.caption or "")
    short = text.cut(plain)
    tally.cut += short != plain
    return text.to_bytes(short)


def _fold(path: Path, size: int) -> None:
    """Keep one of three equal channels."""
    half = path.with_suffix(".half")
    with ArrayWriter(half, (1, size, size)) as grey:
        for chunk in ArrayFile(path).chunks():
            grey.append(chunk[:, :1])
    half.replace(path)


def _require_readable(aside: list[Aside], count: int, config: DataConfig) -> None:
    if len(aside) > config.max_unreadable * count or len(aside) == count:
        first = "; ".join(f"{each.name}: {each.reason}" for each in aside[:3])
        raise BadInput(
            f"{len(aside):,} of {count:,} pictures ({len(aside) / count:.1%}) cannot be read, more than "
            f"data.max_unreadable ({config.max_unreadable:.0%}): {first}{' ...' if len(aside) > 3 else ''}. "
            "Mend them, take them out, or allow more in params.yaml."
        )


def _report(layout: Layout, name: str, overview: Survey, rules: Rules, tally: _Tally, out: Path) -> ImportReport:
    labels, in_test = np.array(tally.labels, np.int64), np.array(tally.in_test, bool)
    counts = np.bincount(labels, minlength=len(layout.class_names)).tolist() if layout.class_names else []
    classes = dict(zip(layout.class_names, counts, strict=True))
    if empty := [each for each, count in classes.items() if not count]:
        raise BadInput(f"class {empty[0]!r} has no picture that can be read.")
    files = [out / each for each in (IMAGES, LABELS, CAPTIONS, IN_TEST) if (out / each).exists()]
    smallest, largest = min(overview.sizes, key=min), max(overview.sizes, key=min)
    return ImportReport(
        layout=layout.kind,
        spec=DatasetSpec(
            name=name,
            image=ImageShape(channels=rules.channels, height=rules.size, width=rules.size),
            class_names=layout.class_names,
            captions="table" if (out / CAPTIONS).exists() else None,
        ),
        images=len(labels),
        classes=classes,
        given={"train": int((~in_test).sum()), "test": int(in_test.sum())} if in_test.any() else {},
        sizes=PictureSizes(
            smallest="{}x{}".format(*smallest),
            median_side=overview.smaller_side(),
            largest="{}x{}".format(*largest),
            different=len(overview.sizes),
            common={f"{width}x{height}": n for (width, height), n in overview.sizes.most_common(_MOST_COMMON)},
        ),
        modes=dict(Counter(overview.modes).most_common()),
        rules=AppliedRules(**rules._asdict()),
        set_aside=len(tally.aside),
        first_set_aside=tuple(tally.aside[:_MOST_NAMES]),
        not_used=layout.rest,
        notes=(*layout.notes, *_notes(overview, rules, tally)),
        files={path.name: sha256_file(path) for path in sorted(files)},
    )


def _notes(overview: Survey, rules: Rules, tally: _Tally) -> Iterator[str]:
    small = sum(count for size, count in overview.sizes.items() if 2 * min(size) < rules.size)
    if small:
        yield f"{small:,} pictures have a side shorter than half of the {rules.size} pixels asked for: enlarged"
    if tally.plain:
        yield f"{len(tally.plain):,} pictures are of one colour only, such as {tally.plain[0]}"
    if tally.cut:
        yield f"{tally.cut:,} captions were cut to {text.CAPTION_LEN} bytes of UTF-8, at the end of a word"
    if overview.peak:
        yield f"pictures of more than 8 bits: their largest value is {overview.peak:,}, so {rules.white:,} became white"
    if len(tally.labels) < _FEW:
        yield f"{len(tally.labels):,} images are few: a generator learns from {_FEW} at least"
