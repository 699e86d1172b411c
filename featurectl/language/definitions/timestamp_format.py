"""Forms in which timestamps are written, in the words of strftime: what is one, and which one a text is likely of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from featurectl.core.units import ISO_TIMESTAMP

_WORD: Final = re.compile(r"%(?:%|[-_0]?[YCymbBhdeaAwuUWGgVjDxFvHkIlPpMSfRTXrzZcstn]|\+|\.[369]?f|[369]f|:{1,3}z|#z)")
_OF_DAYS: Final = (("%s",), ("%c",), ("%+",), ("%F",), ("%D",), ("%x",), ("%v",), ("Y", "m", "d"), ("Y", "j"))
_OTHER_NAMES: Final = {"%y": "Y", "%G": "Y", "%b": "m", "%B": "m", "%h": "m", "%e": "d", "%Y": "Y", "%m": "m"}
_TIMES_OF_DAY: Final = frozenset(f"%{letter}" for letter in "HIklRTXrcs+")
_LETTERS: Final = (
    ("HH:MM", "%H:%M"), ("YYYY", "%Y"), ("yyyy", "%Y"), ("YY", "%y"), ("yy", "%y"),
    ("MM", "%m"), ("DD", "%d"), ("dd", "%d"),
    ("HH", "%H"), ("hh", "%H"), ("mm", "%M"), ("SS", "%S"), ("ss", "%S"),
)  # fmt: skip
_DAY_FIRST: Final = r"(1[3-9]|2\d|3[01])/\d{1,2}/"
_MONTH_FIRST: Final = r"\d{1,2}/(1[3-9]|2\d|3[01])/"
_DAYS: Final = (  # a day as it is written -> its forms, of which each may be meant
    (r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", ("%Y%m%d",)),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", ("%d.%m.%Y",)),
    (r"\d{1,2}\.\d{1,2}\.\d{2}", ("%d.%m.%y",)),
    (r"\d{4}/\d{1,2}/\d{1,2}", ("%Y/%m/%d",)),
    (r"\d{4}-\d{1,2}-\d{1,2}", ("%Y-%m-%d",)),
    (_DAY_FIRST + r"\d{4}", ("%d/%m/%Y",)),
    (_MONTH_FIRST + r"\d{4}", ("%m/%d/%Y",)),
    (r"\d{1,2}/\d{1,2}/\d{4}", ("%d/%m/%Y", "%m/%d/%Y")),
    (_DAY_FIRST + r"\d{2}", ("%d/%m/%y",)),
    (_MONTH_FIRST + r"\d{2}", ("%m/%d/%y",)),
    (r"\d{1,2}/\d{1,2}/\d{2}", ("%d/%m/%y", "%m/%d/%y")),
    (r"\d{1,2}-\d{1,2}-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
    (r"\d{1,2}-[A-Za-z]{3}-\d{4}", ("%d-%b-%Y",)),
    (r"\d{1,2} [A-Za-z]{3} \d{4}", ("%d %b %Y",)),
)
_HOUR: Final = r"([01]?\d|2[0-3])"
_CLOCKS: Final = (
    (r"", ""),
    (_HOUR + r":[0-5]\d", "%H:%M"),
    (_HOUR + r":[0-5]\d:[0-5]\d", "%H:%M:%S"),
    (_HOUR + r":[0-5]\d:[0-5]\d\.\d{1,9}", "%H:%M:%S%.f"),
    (r"\d{1,2}:\d\d [AaPp][Mm]", "%I:%M %p"),
    (r"\d{1,2}:\d\d:\d\d [AaPp][Mm]", "%I:%M:%S %p"),
)
_BETWEEN: Final = (" ", ", ", "T")


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


def has_time(form: str) -> bool:
    """Return whether a form says the time of day, and not the day alone.

    >>> has_time("%d.%m.%Y"), has_time("%d.%m.%Y %H:%M"), has_time("%s")
    (False, True, True)
    """
    return any(re.sub("[-_0]", "", word) in _TIMES_OF_DAY for word in _WORD.findall(form))


def formats_of(text: str) -> tuple[str, ...]:
    """Return the forms of which a text may be: more than one where a day and a month can't be distinguished; or none.

    >>> formats_of("19970131"), formats_of("31.1.1997"), formats_of("31/1/1997 11:38"), formats_of("soon")
    (('%Y%m%d',), ('%d.%m.%Y',), ('%d/%m/%Y %H:%M',), ())
    >>> formats_of("01/02/2015 11:38")
    ('%d/%m/%Y %H:%M', '%m/%d/%Y %H:%M')
    """
    if re.fullmatch(ISO_TIMESTAMP, text):  # of a day that does not exist, or it would have been read
        return ()
    for day, forms in _DAYS:
        for clock, form in _CLOCKS:
            for between in _BETWEEN if clock else ("",):
                if re.fullmatch(day + between + clock, text):
                    return tuple(f"{of_day}{between}{form}" for of_day in forms)
    return ()
