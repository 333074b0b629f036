"""The words of captions, as data. To add a word, add it to its tuple: it is then read, written and trained on.

A template places the digit at ``{digit}`` and each attribute at one of its other slots: ``{before}`` takes forms that
stand before a noun, ``{after}`` phrases that can follow it, ``{list}`` either.
"""

from __future__ import annotations

from typing import NamedTuple

from ganlib.data.mnist.attributes import Attribute


class Words(NamedTuple):
    """How one tercile of one attribute is said."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    cues: tuple[str, ...] = ()
    """Read as well, but never written as they stand: what other phrases have in common."""


class Language(NamedTuple):
    """All of a language."""

    digits: tuple[str, ...]
    """Of 0 to 9; numerals are read and written in every language."""
    attributes: dict[Attribute, tuple[Words, Words, Words]]
    """Low, middle and high tercile."""
    neutral: tuple[str, ...]
    """Look like a word above but ask for nothing."""
    fillers: tuple[str, ...]
    """Ask for nothing; training puts them anywhere."""
    templates: tuple[str, ...]
    held_out: tuple[str, ...]
    """Templates that training never shows, to measure what it has learned."""
    space: str
    """Between words."""


# Bare "medium" and 中等 are about size, as on a T-shirt; for thickness they need a noun ("medium strokes").
ENGLISH = Language(
    digits=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    attributes={
        "thickness": (
            Words(
                ("thin", "slim", "slender", "fine", "light", "skinny"),
                ("thin strokes", "with thin strokes", "in thin lines", "drawn thinly", "with fine lines"),
            ),
            Words(
                ("medium-weight", "normal-weight", "regular-weight"),
                (
                    *("medium strokes", "with medium strokes", "of medium thickness", "of normal thickness"),
                    *("in medium lines", "neither thin nor thick", "medium thick", "medium bold"),
                ),
                ("medium thickness", "medium lines", "normal strokes", "normal thickness", "medium weight"),
            ),
            Words(
                ("thick", "bold", "heavy", "fat", "chunky"),
                ("thick strokes", "with thick strokes", "in thick lines", "in bold", "with heavy lines"),
            ),
        ),
        "slant": (
            Words(
                ("left-leaning", "left-slanted", "left-tilted", "left-sloping"),
                (
                    *("leaning left", "leaning to the left", "tilted left", "tilting to the left", "slanting left"),
                    *("slanted to the left", "sloping left", "leaning leftwards"),
                ),
                ("left", "leftward", "leftwards"),
            ),
            Words(
                ("upright", "straight", "vertical"),
                ("standing upright", "standing straight", "not slanted", "without slant", "not leaning", "no slant"),
            ),
            Words(
                ("right-leaning", "right-slanted", "right-tilted", "right-sloping", "italic"),
                (
                    *("leaning right", "leaning to the right", "tilted right", "tilting to the right"),
                    *("slanting right", "slanted to the right", "sloping right", "leaning rightwards", "in italics"),
                ),
                ("right", "rightward", "rightwards", "italics"),
            ),
        ),
        "size": (
            Words(("small", "little", "tiny", "narrow"), ("of small size", "small size", "small in size")),
            Words(
                ("mid-sized", "medium-sized", "average-sized", "medium", "midsize"),
                ("of medium size", "medium size", "of average size", "neither small nor large", "medium in size"),
                ("average size",),
            ),
            Words(("large", "big", "wide", "huge"), ("of large size", "large size", "large in size")),
        ),
    },
    neutral=(),
    fillers=(
        *("please", "handwritten", "nice", "white", "on black", "digit", "number", "very", "quite", "neat", "by hand"),
        *("on a black background", "for me", "thanks", "some", "kind of", "slightly", "old", "and", "image of"),
    ),
    templates=(
        "{before} {digit} {after}",
        "{before} {digit}, {after}",
        "a {before} {digit} {after}",
        "the {before} digit {digit} {after}",
        "draw a {before} {digit}, {after}",
        "please write a {digit} {after}",
        "a {before} handwritten {digit} {after}",
        "number {digit}, {list}",
        "{digit}: {list}",
        "{digit} {list}",
        "{list}: {digit}",
        "{list} {digit}",
        "{after}, a {before} {digit}",
        "a picture of a {before} {digit} {after}",
    ),
    held_out=(
        "could you make me a {before} {digit} {after}?",
        "{digit} ({list})",
        "i want the {before} number {digit}, {after}",
        "{list}; {digit}",
    ),
    space=" ",
)

CHINESE = Language(
    digits=("零", "一", "二", "三", "四", "五", "六", "七", "八", "九"),
    attributes={
        "thickness": (
            Words(
                ("细的", "纤细的", "细长的", "细细的", "較細的", "很细的"),
                ("笔画细", "笔画很细", "线条细", "线条较细"),
                ("细", "細"),
            ),
            Words(
                ("中等粗细的", "粗细适中的", "不粗不细的"),
                ("粗细适中", "中等粗细", "笔画中等", "线条中等", "笔画适中"),
            ),
            Words(
                ("粗的", "粗壮的", "粗粗的", "加粗的", "很粗的"),
                ("笔画粗", "笔画很粗", "线条粗", "线条较粗", "加粗"),
                ("粗",),
            ),
        ),
        "slant": (
            Words(
                ("左倾的", "向左倾斜的", "往左歪的", "左斜的", "向左斜的", "偏左的"),
                ("向左倾斜", "往左歪", "左倾", "向左斜", "往左偏"),
                ("左",),
            ),
            Words(
                ("直立的", "端正的", "竖直的", "不倾斜的"),
                ("直立", "端正", "竖直", "不倾斜", "不歪", "不斜"),
            ),
            Words(
                ("右倾的", "向右倾斜的", "往右歪的", "右斜的", "向右斜的", "偏右的", "斜体的"),
                ("向右倾斜", "往右歪", "右倾", "向右斜", "往右偏", "斜体"),
                ("右",),
            ),
        ),
        "size": (
            Words(
                ("小的", "小小的", "小号的", "窄的", "较小的", "很小的"),
                ("尺寸小", "写得小", "字号小", "尺寸较小"),
                ("小", "窄"),
            ),
            Words(
                ("中等大小的", "大小适中的", "中号的", "中等的", "不大不小的"),
                ("大小适中", "中等大小", "尺寸适中", "尺寸中等", "中号"),
                ("中等",),
            ),
            Words(
                ("大的", "大大的", "大号的", "宽的", "寬的", "较大的", "很大的"),
                ("尺寸大", "写得大", "字号大", "尺寸较大"),
                ("大", "宽", "寬"),
            ),
        ),
    },
    neutral=(
        *("一个", "一個", "一只", "一张", "一幅", "一枚", "一种", "一下", "一些", "一点", "一笔", "一条", "一副"),
        *("仔细", "详细", "大家", "大概", "小心", "十分"),
    ),
    fillers=(
        *("请", "谢谢", "手写的", "漂亮的", "好看的", "白色的", "黑底的", "数字", "写", "画", "仔细", "帮我", "大家好"),
        *("给我", "来", "一张", "写一下"),
    ),
    templates=(
        "{before}{digit}",
        "{before}{digit}，{after}",
        "一个{before}{digit}",
        "一个{before}{digit}，{after}",
        "画一个{before}{digit}",
        "写个{before}{digit}，{after}",
        "数字{digit}，{list}",
        "{digit}，{list}",
        "{digit}{list}",
        "{list}，{digit}",
        "写{before}数字{digit}",
        "{after}，{before}{digit}",
        "一张{before}{digit}的图",
        "手写的{before}{digit}",
    ),
    held_out=(
        "请给我写一个{before}数字{digit}",
        "{digit}（{list}）",
        "我想要{before}{digit}，{after}",
        "来一个{before}手写{digit}",
    ),
    space="",
)

LANGUAGES = (ENGLISH, CHINESE)
