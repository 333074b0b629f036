"""A first look at all pictures of a source: their sizes and kinds, and the rules that follow for all of them."""

from __future__ import annotations

from collections import Counter
from statistics import median_low

import numpy as np

from ganlib.config import DataConfig
from ganlib.core.errors import BadInput
from ganlib.core.progress import Report
from ganlib.data.importing.decode import GREY_MODES, UNREADABLE_SUFFIXES, Rules, Unreadable, read_header
from ganlib.data.importing.picture import Layout, listed
from ganlib.data.spec import SIDES

EVERY = 500  # pictures between reports


class Survey:
    """What the headers of all pictures say."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.modes: Counter[str] = Counter()
        self.unreadable: dict[int, tuple[str, str]] = {}
        """Place in the source's order -> name, reason."""
        self.first: dict[tuple[int, int], str] = {}
        """Width and height -> the first picture of that size."""
        self.peak = 0
        """The largest value of the pictures of more than 8 bits; 0 if there are none."""

    def add(self, name: str, width: int, height: int, mode: str, peak: int) -> None:
        """Count a picture."""
        self.sizes[width, height] += 1
        self.modes[mode] += 1
        self.first.setdefault((width, height), name)
        self.peak = max(self.peak, peak)

    def smaller_side(self) -> int:
        """Return the median of the pictures' smaller sides, in pixels."""
        sides: Counter[int] = Counter()
        for size, count in self.sizes.items():
            sides[min(size)] += count
        return median_low(sides.elements())


def survey(layout: Layout, report: Report) -> Survey:
    """Look at every picture's header; those of more than 8 bits are decoded for their largest value."""
    overview = Survey()
    for place, picture in enumerate(layout.pictures()):
        if isinstance(picture.content, np.ndarray):
            height, width = picture.content.shape
            overview.add(picture.name, width, height, "L", 0)
        else:
            try:
                with picture.content() as stream:
                    overview.add(picture.name, *read_header(stream))
            except (Unreadable, OSError) as error:
                overview.unreadable[place] = picture.name, _reason(picture.name, error)
        if place % EVERY == EVERY - 1 or place + 1 == layout.total:
            report.advance("look at the pictures", place + 1, layout.total)
    return overview


def _reason(name: str, error: Exception) -> str:
    foreign = next((suffix for suffix in UNREADABLE_SUFFIXES if name.lower().endswith(suffix)), None)
    return f"{foreign} files are not read: save it as PNG or JPEG" if foreign else str(error)


def rules_for(overview: Survey, config: DataConfig) -> Rules:
    """Choose what the configuration leaves open; where channels are, 3 may still turn out to be grey in all pictures.

    Raises:
        BadInput: the size is none that nets can draw, or pictures differ where they must not (``data.fit: none``).
    """
    if config.fit == "none":
        size = _only_size(overview)
        if config.size not in (None, size):
            raise BadInput(f"data.size is {config.size}, but with data.fit: none the pictures stay {size}x{size}.")
    else:
        size = config.size or _side_below(overview.smaller_side())
    _require_side(size)
    background = colour(config.background)
    grey = all(mode in GREY_MODES for mode in overview.modes) and len(set(background)) == 1
    bits = max(8, overview.peak.bit_length())
    return Rules(
        size=size,
        channels=(1 if grey else 3) if config.channels == "auto" else config.channels,
        fit=config.fit,
        background=background,
        white=2**bits - 1,
    )


def colour(background: int | str) -> tuple[int, int, int]:
    """Return ``data.background`` as red, green, blue."""
    if isinstance(background, int):
        return background, background, background
    red, green, blue = bytes.fromhex(background[1:])
    return red, green, blue


def _side_below(side: int) -> int:
    return max((each for each in SIDES if each <= side), default=SIDES[0])


def _require_side(size: int) -> None:
    if size not in SIDES:
        near = sorted(sorted(SIDES, key=lambda side: (abs(side - size), side))[:2])
        raise BadInput(
            f"images of {size}x{size} cannot be drawn; the nearest that can be are {near[0]} and {near[1]} pixels a "
            f"side: --size {near[0]} or --size {near[1]}."
        )


def _only_size(overview: Survey) -> int:
    sizes = [
        f"{width}x{height} ({count:,}, such as {overview.first[width, height]})"
        for (width, height), count in overview.sizes.most_common()
    ]
    if len(sizes) > 1:
        raise BadInput(
            f"data.fit is none, but the pictures are of {len(sizes):,} sizes: {listed(sizes[:3])}"
            f"{' and others' if len(sizes) > 3 else ''}. Let them be fitted: --fit crop, pad or stretch."
        )
    ((width, height),) = overview.sizes
    if width != height:
        raise BadInput(f"data.fit is none, but the pictures are {width}x{height}: not square. Use --fit crop or pad.")
    return width
