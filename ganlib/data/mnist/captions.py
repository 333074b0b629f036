"""Captions of digits, in English, Chinese and numerals: written from a meaning, read back by rule, and as bytes.

The rule (:func:`parse`) defines what a caption means. The encoder net is trained on captions written here and measured
against it; what the graph does with a caption is the net's reading. Neither understands negation ("not thick").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ganlib.core.errors import BadInput
from ganlib.data.mnist.attributes import ATTRIBUTES, Attribute
from ganlib.data.mnist.vocabulary import CHINESE, LANGUAGES, Language
from ganlib.data.text import CAPTION_LEN, normalise, to_bytes

T = TypeVar("T")

_EXAMPLE = "for instance 'a thin seven leaning left' or '一个粗的五'"
_SHARE_OF_ATTRIBUTES = 0.6  # of each attribute in a drawn meaning


class CaptionMeaning(NamedTuple):
    """What a caption asks for. An attribute is a tercile (0 low, 1 middle, 2 high) or not asked for (None)."""

    digit: int
    thickness: int | None = None
    slant: int | None = None
    size: int | None = None

    def codes(self) -> tuple[int, int, int, int]:
        """As nets take it: the digit, then for each attribute 0 where it is not asked for, else 1 + tercile."""
        thickness, slant, size = (0 if tercile is None else 1 + tercile for tercile in self[1:])
        return self.digit, thickness, slant, size


CHOICES = (10, *(4 for _ in ATTRIBUTES))
"""How many values each of :meth:`CaptionMeaning.codes` can have."""


def encode(text: str) -> NDArray[np.int64]:
    """A caption as the graph's ``caption`` input: int64 [CAPTION_LEN], UTF-8 bytes of :func:`normalise`, then zeros.

    Raises:
        BadInput: it is empty, too long, or :func:`parse` refuses it.
    """
    parse(text)
    return _codes(text)


def parse(text: str) -> CaptionMeaning:
    """Read a caption by rule: known words anywhere in it count, the longest first; the rest is ignored.

    Raises:
        BadInput: it is empty, names no digit or several, or asks for two terciles of one attribute at once.
    """
    plain = normalise(text)
    if not plain:
        raise BadInput(f"the caption is empty. Name a digit, {_EXAMPLE}.")
    digits: dict[int, str] = {}
    attributes: dict[Attribute, dict[int, str]] = {name: {} for name in ATTRIBUTES}
    for word, meaning in _readings(plain):
        if meaning is None:
            raise BadInput(f"the caption {plain!r} names {word}; only single digits, 0 to 9, can be drawn.")
        attribute, value = meaning
        (digits if attribute is None else attributes[attribute])[value] = word
    if not digits:
        raise BadInput(f"the caption {plain!r} names no digit: write 0 to 9, zero to nine, or 零 to 九, {_EXAMPLE}.")
    if len(digits) > 1:
        raise BadInput(f"the caption {plain!r} names several digits ({', '.join(digits.values())}); name one.")
    for name, words in attributes.items():
        if len(words) > 1:
            raise BadInput(f"the caption {plain!r} asks for two kinds of {name} ({', '.join(words.values())}).")
    return CaptionMeaning(
        next(iter(digits)), **{name: next(iter(words)) for name, words in attributes.items() if words}
    )


_Meaning = tuple[Attribute | None, int]  # None: the digit


@cache
def _lexicon() -> tuple[re.Pattern[str], dict[str, _Meaning | None]]:
    """One pattern for all known words, longest first, and what each means. Neutral words mean None."""
    words: dict[str, _Meaning | None] = {str(digit): (None, digit) for digit in range(10)}
    for language in LANGUAGES:
        words |= {word: (None, digit) for digit, word in enumerate(language.digits)}
        words |= dict.fromkeys(map(_spaced, language.neutral))
        for attribute, terciles in language.attributes.items():
            for tercile, phrase in enumerate(terciles):
                words |= {_spaced(word).removesuffix("的"): (attribute, tercile) for form in phrase for word in form}
    by_length = sorted(words, key=lambda word: (-len(word), word))
    # Latin words end at a letter's edge; Chinese ones are found anywhere. A run of numerals is one number.
    patterns = [rf"(?<![a-z]){word}(?![a-z])" if re.match("[a-z]", word) else word for word in by_length]
    neutral = [word for word in by_length if words[word] is None]
    numerals = "".join(CHINESE.digits)
    numbers = [r"\d\d+", f"[{numerals}]?[十百千][{numerals}]?", f"[{numerals}]{{2,}}"]
    return re.compile("|".join((*neutral, *numbers, *patterns))), words


def _spaced(word: str) -> str:
    return word.replace("-", " ")


def _readings(plain: str) -> Iterator[tuple[str, _Meaning | None]]:
    """The known words in a normalised caption, with their meanings; None for a number that is no single digit."""
    pattern, words = _lexicon()
    for match in pattern.finditer(_spaced(plain)):
        word = match.group()
        if word not in words:
            yield word, None
        elif (meaning := words[word]) is not None:
            yield word, meaning


def make(meaning: CaptionMeaning, rng: np.random.Generator, *, held_out: bool = False) -> str:
    """A caption for ``meaning``, of at most ``CAPTION_LEN`` bytes; language, template and words are drawn.

    ``held_out`` draws from the templates that :func:`draw` keeps from training. ``parse`` gives ``meaning`` back.
    """
    while True:  # too long, or its words run together into others ("一笔画细"): both rare
        language = _pick(rng, LANGUAGES)
        template = _pick(rng, language.held_out if held_out else language.templates)
        text = _fill(template, meaning, language, rng)
        if _fits(text) and _reads(text, meaning):
            return text


def draw(
    rng: np.random.Generator, count: int, *, held_out: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Random meanings and captions for them.

    Without ``held_out`` captions are roughened for training: words that ask for nothing, other spacing and
    punctuation. With it they are clean and come from other templates.

    Returns:
        Bytes, int64 [count, CAPTION_LEN]; meanings, int64 [count, 4], see :meth:`CaptionMeaning.codes`.
    """
    captions, meanings = np.empty((count, CAPTION_LEN), np.int64), np.empty((count, 4), np.int64)
    for row in range(count):
        terciles = [int(rng.integers(3)) if rng.random() < _SHARE_OF_ATTRIBUTES else None for _ in ATTRIBUTES]
        meaning = CaptionMeaning(int(rng.integers(10)), *terciles)
        text = make(meaning, rng, held_out=held_out)
        captions[row] = _codes(text if held_out else _roughen(text, meaning, rng))
        meanings[row] = meaning.codes()
    return captions, meanings


def _fill(template: str, meaning: CaptionMeaning, language: Language, rng: np.random.Generator) -> str:
    slots = re.findall(r"{(before|after|list)}", template)
    parts: dict[str, list[str]] = {"before": [], "after": [], "list": []}
    for column in rng.permutation(len(ATTRIBUTES)):
        tercile = meaning[1 + column]
        if tercile is None:
            continue
        words = language.attributes[ATTRIBUTES[column]][tercile]
        slot = _pick(rng, slots)
        form = _pick(rng, (words.before, words.after)) if slot == "list" else getattr(words, slot)
        parts[slot].append(_pick(rng, form))
    digit = _pick(rng, (language.digits[meaning.digit], str(meaning.digit)))
    text = template.format(digit=digit, **{slot: _join(slot, words, language, rng) for slot, words in parts.items()})
    text = re.sub(r"\(\)|（）|\s+", " ", text).strip(" ,，:;；")
    return re.sub(r"\ba (?=[aeiu8])", "an ", text)


def _join(slot: str, words: Sequence[str], language: Language, rng: np.random.Generator) -> str:
    if language is CHINESE:
        if slot == "before":  # 又细又小的, 细小的, 细的小的
            stems = [word.removesuffix("的") for word in words]
            text = _pick(rng, ("".join(words), "".join(stems) + "的", "、".join(stems) + "的", "，".join(words)))
            return text if words else ""
        stems = [word if word == words[-1] else word.removesuffix("的") for word in words]
        return _pick(rng, ("，", "、", ",")).join(stems)
    joiners = (" ", " ", ", ", " and ") if slot == "before" else (", ", " ", " and ", " , ")
    return _pick(rng, joiners).join(words)


def _roughen(text: str, meaning: CaptionMeaning, rng: np.random.Generator) -> str:
    """``text`` with up to three changes that leave its meaning (by :func:`parse`) and its fit as they are."""
    for _ in range(rng.integers(4)):
        variant = _pick(rng, (_insert, _respace, _repunctuate))(text, rng)
        if _fits(variant) and _reads(variant, meaning):
            text = variant
    return text


def _insert(text: str, rng: np.random.Generator) -> str:
    """A filler, or letters that mean nothing, between two words."""
    kind = rng.integers(4)
    if kind < 2:
        word = _pick(rng, LANGUAGES[kind].fillers)
    elif kind == 2:
        word = "".join(chr(97 + int(letter)) for letter in rng.integers(26, size=rng.integers(1, 9)))
    else:
        word = "".join(chr(0x4E00 + int(letter)) for letter in rng.integers(0x5000, size=rng.integers(1, 4)))
    place = _pick(rng, [0, len(text), *(match.start() for match in re.finditer(r" |(?<=[^ -~])(?=[^ -~])", text))])
    space = _pick(rng, (" ", ""))
    return f"{text[:place]}{space}{word}{space}{text[place:]}"


def _respace(text: str, rng: np.random.Generator) -> str:
    old, new = _pick(rng, ((" ", "  "), ("-", " "), (", ", ","), ("，", ""), ("", " "), (" ", "")))
    return text.replace(old, new)


def _repunctuate(text: str, rng: np.random.Generator) -> str:
    old, new = _pick(rng, ((", ", " "), ("、", ""), ("，", " "), (",", ";"), (":", " -"), ("的", "")))
    return text.replace(old, new) + _pick(rng, ("", ".", "!", "?", "。", "；", "'"))


def _reads(text: str, meaning: CaptionMeaning) -> bool:
    try:
        return parse(text) == meaning
    except BadInput:
        return False


def _pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(rng.random() * len(choices))]  # several times faster than integers()


def _fits(text: str) -> bool:
    return len(normalise(text).encode()) <= CAPTION_LEN


def _codes(text: str) -> NDArray[np.int64]:
    plain = normalise(text)
    if (size := len(plain.encode())) > CAPTION_LEN:
        raise BadInput(f"the caption takes {size} bytes of UTF-8 and {CAPTION_LEN} fit; say it shorter, {_EXAMPLE}.")
    return to_bytes(plain).astype(np.int64)
