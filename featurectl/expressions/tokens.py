"""Text of an expression -> tokens with their places."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, NoReturn, cast

from featurectl.expressions.syntax import MAX_CHARACTERS
from featurectl.expressions.tree import ExpressionError

TokenKind = Literal["number", "string", "name", "quoted", "keyword", "operator", "end"]

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_TOKEN: Final = re.compile(
    r"""[ \t\r\n]*(?:(?P<name>[^\W\d]\w*)
    |(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?!\w))
    |(?P<string>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")+")
    |(?P<refused>--|/\*|==|=>|=<|\*\*|//|&&)
    |(?P<operator><=|>=|<>|!=|\|\||::|[-+*/%=<>(),])
    |(?P<end>\Z))""",
    re.VERBOSE,
)
KEYWORDS: Final = frozenset(
    {
        "and", "or", "not", "is", "null", "true", "false", "in", "between", "like", "case", "when", "then", "else",
        "end", "cast", "as", "distinct", "from", "extract", "interval", "timestamp", "date",
    }
)  # fmt: skip
_REFUSED: Final = {
    "--": ("a comment inside an expression", "comments go into YAML, after #; for minus minus write a - (-b)"),
    "/*": ("a comment inside an expression", "comments go into YAML, after #"),
    "==": ("== is not SQL", "write ="),
    "=>": ("=> is not an operator", "did you mean >=?"),
    "=<": ("=< is not an operator", "did you mean <=?"),
    "**": ("** is not an operator", "write power(a, b)"),
    "//": ("// is not an operator", "write div(a, b) for whole numbers, floor(a / b) for others"),
    "&&": ("&& is not an operator", "write and"),
}
_CHARACTER_HINTS: Final = {
    ";": "this is one expression: nothing stands after it",
    ".": 'write the column alone; a name with a dot in it is quoted: "a.b"',
    "[": "an expression has no lists; group with ( )",
    "]": "an expression has no lists; group with ( )",
    "{": "group with ( )",
    "}": "group with ( )",
    "^": "write power(a, b)",
    "!": "write not, or <> for unequal",
    "&": "write and",
    "|": "write or; texts are joined with ||",
    "~": "regular expressions differ between engines: use like, starts_with or contains",
    "#": "comments go into YAML, outside the expression",
    "`": 'a name is quoted with "',
    "$": "an expression has no parameters",
    "?": "an expression has no parameters",
    "@": "an expression has no parameters",
    ":": "a cast is written x::int64, a name with a colon in it is quoted",
    '"': 'close the name with "',
    "\u2019": "a text is quoted with the plain '",
    "\u2018": "a text is quoted with the plain '",
    "\u201c": 'a name is quoted with the plain "',
    "\u201d": 'a name is quoted with the plain "',
}


class Token(NamedTuple):
    """One word, sign or literal; `value` is without quotes, a keyword in small letters."""

    kind: TokenKind
    value: str
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """Return the tokens of an expression, the last one of kind "end".

    Raises:
        ExpressionError: a character that no expression has, a text that is never closed, a text that is too long.

    >>> [token.value for token in tokenize("x >= 1.5")]
    ['x', '>=', '1.5', 'end of expression']
    """
    if len(text) > MAX_CHARACTERS:
        raise ExpressionError(f"longer than {MAX_CHARACTERS:,} characters", MAX_CHARACTERS, len(text), "split it")
    tokens: list[Token] = []
    place = 0
    while True:
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup == "refused":
            _reject(text, place)
        if match.lastgroup == "end":
            return [*tokens, Token("end", "end of expression", len(text), len(text))]
        tokens.append(_token(match))
        place = match.end()


def _token(match: re.Match[str]) -> Token:
    kind = cast("TokenKind", match.lastgroup)
    text, (start, end) = match[kind], match.span(kind)
    if kind == "name":
        small = text.lower()
        return (
            Token("keyword", small, start, end)
            if small in KEYWORDS and text.isascii()
            else Token(kind, text, start, end)
        )
    if kind in ("string", "quoted"):
        quote = text[0]
        text = text[1:-1].replace(quote * 2, quote)
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ExpressionError("half of a character, a lone surrogate", start, end, "write it whole")
    return Token(kind, "<>" if text == "!=" and kind == "operator" else text, start, end)


def _reject(text: str, place: int) -> NoReturn:
    """Raise what is wrong after the white space at a place."""
    if space := _SPACE.match(text, place):
        place = space.end()
    if refused := _REFUSED.get(text[place : place + 2]):
        raise ExpressionError(refused[0], place, place + 2, refused[1])
    character = text[place]
    if character == "'":
        raise ExpressionError("this text is never closed", place, len(text), "close it with '")
    if word := re.compile(r"[0-9][\w.]*").match(text, place):
        raise ExpressionError(f"not a number: {word.group()}", place, word.end(), "write 1, 1.5 or 1e6")
    raise ExpressionError(f"unexpected character {character!r}", place, place + 1, _CHARACTER_HINTS.get(character, ""))
