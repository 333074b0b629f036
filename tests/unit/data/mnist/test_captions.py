"""Captions: what they mean, what is refused, and that what is written reads back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ganlib.core.errors import BadInput
from ganlib.data.mnist.attributes import ATTRIBUTES
from ganlib.data.mnist.captions import CAPTION_LEN, CaptionMeaning, draw, encode, make, normalise, parse
from ganlib.data.mnist.vocabulary import LANGUAGES

LOW, MIDDLE, HIGH = range(3)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("7", CaptionMeaning(7)),
        ("a thin seven leaning left", CaptionMeaning(7, thickness=LOW, slant=LOW)),
        ("bold 3", CaptionMeaning(3, thickness=HIGH)),
        ("small upright nine, thick strokes", CaptionMeaning(9, thickness=HIGH, slant=MIDDLE, size=LOW)),
        ("A Thin SEVEN", CaptionMeaning(7, thickness=LOW)),
        ("a medium-sized 8", CaptionMeaning(8, size=MIDDLE)),
        ("8 with medium strokes", CaptionMeaning(8, thickness=MIDDLE)),
        ("an eight, medium, in medium lines", CaptionMeaning(8, thickness=MIDDLE, size=MIDDLE)),
        ("one, leaning slightly to the right", CaptionMeaning(1, slant=HIGH)),
        ("an upright zero", CaptionMeaning(0, slant=MIDDLE)),
        ("a red 4 on a sunny day", CaptionMeaning(4)),
        ("一个粗的五", CaptionMeaning(5, thickness=HIGH)),
        ("向左倾斜的细长的7", CaptionMeaning(7, thickness=LOW, slant=LOW)),
        ("一个一", CaptionMeaning(1)),
        ("画一个不粗不细、中等大小的零", CaptionMeaning(0, thickness=MIDDLE, size=MIDDLE)),
        ("请仔细写一个大的八", CaptionMeaning(8, size=HIGH)),
        ("十分粗的五", CaptionMeaning(5, thickness=HIGH)),
        ("７，右倾", CaptionMeaning(7, slant=HIGH)),
        ("a thin 七", CaptionMeaning(7, thickness=LOW)),
        ("seven (7)", CaptionMeaning(7)),
    ],
)
def test_captions_mean_what_people_read_in_them(text: str, wish: CaptionMeaning) -> None:
    assert parse(text) == wish


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty.*for instance"),
        (" \t\n\0", "is empty"),
        ("a thin digit", "names no digit.*zero to nine.*for instance"),
        ("seventy, often, nineteen", "names no digit"),
        ("一个粗的", "names no digit"),
        ("three or 4", r"several digits \(three, 4\)"),
        ("77", "names 77; only single digits"),
        ("五十", "names 五十; only single digits"),
        ("a thin, thick 4", r"two kinds of thickness \(thin, thick\)"),
        ("a 4 leaning left and right", "two kinds of slant"),
    ],
)
def test_a_caption_that_cannot_be_drawn_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        encode(text)


def test_a_caption_longer_than_its_place_is_refused_with_both_lengths() -> None:
    assert encode("7" + "é" * 31)[62] > 0  # 63 bytes
    with pytest.raises(BadInput, match="takes 65 bytes of UTF-8 and 64 fit"):
        encode("7" + "é" * 32)


def test_a_caption_is_its_lower_case_bytes_and_then_zeros() -> None:
    codes = encode(" A  Thin\n7。")
    assert codes.dtype == np.int64
    assert codes.shape == (CAPTION_LEN,)
    assert bytes(codes.tolist()) == "a thin 7。".encode().ljust(CAPTION_LEN, b"\0")


@given(st.text(max_size=80))
@example("a \0 7")
@example("7\ud800")
def test_any_text_is_encoded_or_refused_in_words(text: str) -> None:
    try:
        codes = encode(text)
    except BadInput:
        return
    assert bytes(codes.tolist()).rstrip(b"\0").decode() == normalise(text) == normalise(normalise(text))


def every_wish() -> list[CaptionMeaning]:
    terciles = (None, LOW, MIDDLE, HIGH)
    return [CaptionMeaning(digit, *asked) for digit in range(10) for asked in itertools.product(terciles, repeat=3)]


@pytest.mark.parametrize("held_out", [False, True])
def test_every_wish_can_be_written_and_reads_back(held_out: bool) -> None:
    rng = np.random.default_rng(0)
    for wish in every_wish():
        text = make(wish, rng, held_out=held_out)
        assert parse(text) == wish, text
        encode(text)


def test_every_form_in_the_vocabulary_reads_as_its_tercile() -> None:
    for language in LANGUAGES:
        for attribute, terciles in language.attributes.items():
            for tercile, words in enumerate(terciles):
                for form in itertools.chain(*words):
                    assert parse(f"{form}{language.space}7") == CaptionMeaning(7, **{attribute: tercile}), form


def test_every_filler_asks_for_nothing() -> None:
    for language in LANGUAGES:
        for filler in (*language.fillers, *language.neutral):
            assert parse(f"{filler} 7") == CaptionMeaning(7), filler


def test_the_same_random_numbers_write_the_same_captions() -> None:
    first, again = (draw(np.random.default_rng([3, 5]), 50) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (draw(np.random.default_rng([3, 6]), 50)[0] != first[0]).any()


@pytest.mark.parametrize("held_out", [False, True])
def test_drawn_captions_mean_their_wishes_and_cover_all_classes_and_languages(held_out: bool) -> None:
    captions, wishes = draw(np.random.default_rng(1), 600, held_out=held_out)
    texts = [bytes(codes.tolist()).rstrip(b"\0").decode() for codes in captions]
    assert [parse(text).codes() for text in texts] == [tuple(row) for row in wishes.tolist()]
    assert set(wishes[:, 0].tolist()) == set(range(10))
    for column in range(1, 1 + len(ATTRIBUTES)):
        assert set(wishes[:, column].tolist()) == {0, 1, 2, 3}
    assert 0.2 < np.mean([text.isascii() for text in texts]) < 0.8
    assert len(set(texts)) > 500


def test_held_out_templates_are_none_of_those_trained_on() -> None:
    for language in LANGUAGES:
        assert language.held_out
        assert not set(language.templates) & set(language.held_out)


def test_english_articles_agree() -> None:
    rng = np.random.default_rng(2)
    texts = [make(CaptionMeaning(8), rng) for _ in range(300)]
    assert any("an 8" in text or "an eight" in text for text in texts)
    assert not any(" a 8" in f" {text}" or " a eight" in f" {text}" for text in texts)
