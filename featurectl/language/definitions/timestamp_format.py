"""Forms in which timestamps are written, in the words of strftime: what is one, and which one a text is likely of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r"%(?:%|[-_0]?[YCymbBhdeaAwuUWGgVjDxFvHkIlPpMSfRTXrzZcstn]|\+|\.[369]?f|[369]f|:{1,3}z|#z)")
_OF_DAYS: Final = (("%s",), ("%c",), ("%+",), ("%F",), ("%D",), ("%x",), ("%v",), ("Y", "m", "d"), ("Y", "j"))
_OTHER_NAMES: Final = {"%y": "Y", "%G": "Y", "%b": "m", "%B": "m", "%h": "m", "%e": "d", "%Y": "Y", "%m": "m"}
_LETTERS: Final = (
    ("HH:MM", "%H:%M"), ("YYYY", "%Y"), ("yyyy", "%Y"), ("YY", "%y"), ("yy", "%y"),
    ("MM", "%m"), ("DD", "%d"), ("dd", "%d"),
    ("HH", "%H"), ("hh", "%H"), ("mm", "%M"), ("SS", "%S"), ("ss", "%S"),
)  # fmt: skip
_SHAPES: Final = (
    (re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"), '"%Y%m%d"'),
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}"), '"%d.%m.%Y"'),
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d{4} \d{1,2}:\d\d"), '"%d.%m.%Y %H:%M"'),
    (re.compile(r"\d{1,2}\.\d{1,2}\.\d{4} \d{1,2}:\d\d:\d\d"), '"%d.%m.%Y %H:%M:%S"'),
    (re.compile(r"\d{4}/\d{1,2}/\d{1,2}"), '"%Y/%m/%d"'),
    (re.compile(r"(1[3-9]|2\d|3[01])/\d{1,2}/\d{4}"), '"%d/%m/%Y"'),
    (re.compile(r"\d{1,2}/(1[3-9]|2\d|3[01])/\d{4}"), '"%m/%d/%Y"'),
    (re.compile(r"\d{1,2}/\d{1,2}/\d{4}"), '"%d/%m/%Y"} or {timestamp_format: "%m/%d/%Y"'),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongFormat:
    """What is wrong with a form, and which one was meant; "": nobody knows."""

    message: str
    meant: str = ""


def find_wrong_format(form: str) -> WrongFormat | None:
    """Return what is wrong with a form of timestamps; None: it says the day, in words that are there.

    >>> find_wrong_format("YYYYMMDD")
    WrongFormat(message='"YYYYMMDD" is no form of timestamps: it has no % word of a day', meant='%Y%m%d')
    >>> find_wrong_format("%Y %Q").message, find_wrong_format("%d.%m.%Y %H:%M")
    ('"%Q" in "%Y %Q" is no word of strftime', None)
    """
    if not form.strip():
        return WrongFormat(message="an empty text is no form of timestamps")
    rest = _WORD.sub("", form)
    if "%" in rest:
        at = rest.index("%")
        return WrongFormat(message=f'"{rest[at : at + 2]}" in "{form}" is no word of strftime')
    words = [re.sub("[-_0]", "", word) for word in _WORD.findall(form)]
    parts = {*words, *(_OTHER_NAMES.get(word, word.removeprefix("%")) for word in words)}
    if any(parts.issuperset(of_day) for of_day in _OF_DAYS):
        return None
    meant = form
    for letters, word in _LETTERS if "%" not in form else ():
        meant = meant.replace(letters, word)
    is_whole = meant != form and find_wrong_format(meant) is None
    lack = "no % word of a day" if not words else "not all of a year, a month and a day"
    return WrongFormat(message=f'"{form}" is no form of timestamps: it has {lack}', meant=meant if is_whole else "")


def format_of(text: str) -> str:
    """Return the form of which a text is likely to be, in quotes, as YAML has it; "" where it is of none that is known.

    >>> format_of("19970131"), format_of("31.1.1997"), format_of("31/1/1997"), format_of("soon")
    ('"%Y%m%d"', '"%d.%m.%Y"', '"%d/%m/%Y"', '')
    """
    return next((form for shape, form in _SHAPES if shape.fullmatch(text)), "")
