"""Seeded damage to the files of a repository: bytes, lines, indentation, words, nesting, sizes, encodings."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

TOKEN = re.compile(rb"[A-Za-z0-9_]+|[^\sA-Za-z0-9_]")
WORDS = [
    b"name", b"entity", b"source", b"where", b"aggregates", b"features", b"derived", b"columns", b"select", b"tests",
    b"expr", b"windows", b"keys", b"project", b"environments", b"models", b"spine", b"label", b"7d", b"1x", b"lifetime",
    b"decimal(9,2)", b"list(string)", b"timestamp", b"null", b"true", b"0", b"-1", b"1e999", b"9" * 50, b"0.5", b"NO",
    b"count", b"percentile", b"last_n", b"asof", b"bucket", b"tie_0", b"coalesce(a, 0)", b"case when a then b end",
    b"${A}", b"${A:-b}", b"${", b"*", b"'", b'"', b"<<", b"---", b"...", b"%YAML 1.2", b"&a", b"*a", b"!!int", b"? ",
]  # fmt: skip
PIECES = [
    *(bytes([b]) for b in b"{}[],:-?#&*!|>'\"%@`~\n\r\t \0"), b"\r\n", b"  ", b"\n  - ", b": ", b" #", b"| \n", b">-\n",
    b"\xef\xbb\xbf", b"\xff", b"\xfe\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", "é".encode(), "日本".encode(),
    "😀".encode(), "\x85".encode(), "\u2028".encode(), "\u202e".encode(), "\u0301".encode(), "\U000e0001".encode(),
    b'"\\x41\\u00e9\\ud800"', b'"\\', b"''", b"\x1b[31m", b"\x7f",
]  # fmt: skip


def damaged(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """Return the content with one to five kinds of damage; some pieces are those of another file."""
    for _ in range(rng.randint(1, 5)):
        content = rng.choice(KINDS)(content, other, rng)
    return content


def _place(content: bytes, rng: random.Random) -> int:
    return rng.randrange(len(content) + 1)


def _flip(content: bytes, _: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _number in range(rng.randint(1, 8) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(content: bytes, _: bytes, rng: random.Random) -> bytes:
    start = _place(content, rng)
    return content[:start] + content[start + rng.choice([1, 3, 20, 200, len(content)]) :]


def _insert(content: bytes, other: bytes, rng: random.Random) -> bytes:
    start, end = sorted((_place(other, rng), _place(other, rng)))
    piece = rng.choice([rng.choice(PIECES), rng.choice(WORDS), other[start : min(end, start + 400)]])
    at = _place(content, rng)
    return content[:at] + piece + content[at:]


def _token(content: bytes, _: bytes, rng: random.Random) -> bytes:
    found = list(TOKEN.finditer(content))
    if not found:
        return content
    match, new = rng.choice(found), rng.choice([*WORDS, rng.choice(found)[0]])
    return content[: match.start()] + new + content[match.end() :]


def _lines(content: bytes, _: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    start = rng.randrange(len(lines))
    piece = lines[start : start + rng.randint(1, 8)]
    at = rng.randrange(len(lines) + 1)
    match rng.randrange(3):
        case 0:  # doubled
            lines[start:start] = piece
        case 1:  # moved
            del lines[start : start + len(piece)]
            lines[at:at] = piece
        case _:  # left out
            del lines[start : start + len(piece)]
    return b"\n".join(lines)


def _indent(content: bytes, _: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    start, by = rng.randrange(len(lines)), rng.randint(-4, 4)
    for at in range(start, min(start + rng.choice([1, 1, 5, len(lines)]), len(lines))):
        lines[at] = (
            b" " * by + lines[at] if by > 0 else b"\t" + lines[at] if by == 0 else lines[at].removeprefix(b" " * -by)
        )
    return b"\n".join(lines)


def _nest(content: bytes, _: bytes, rng: random.Random) -> bytes:
    depth = rng.choice([3, 30, 40, 1_000, 20_000])
    opening, closing = rng.choice(
        [
            (b"[", b"]"),
            (b"{a: ", b"}"),
            (b"{", b"}"),
            (b"- ", b""),
            (b"? ", b""),
            (b"(", b")"),
            (b"'", b""),
            (b"a:\n ", b""),
        ]
    )
    closed = rng.choice([depth, depth - 1, 0])
    at = _place(content, rng)
    return content[:at] + opening * depth + b"1" + closing * closed + content[at:]


def _large(content: bytes, _: bytes, rng: random.Random) -> bytes:
    size = rng.choice([50, 1_100, 4_100, 70_000])
    piece = rng.choice(
        [b"x", b"9", b"a ", b"a, ", b"a: b, ", b"''", b'\\"', b"\xc3\xa9", b"\n", b" ", b"- a\n", b"&a ", b"# "]
    )
    at = _place(content, rng)
    quote = rng.choice([b"", b"", b"'", b'"'])
    return content[:at] + quote + piece * (size // len(piece)) + quote + content[at:]


def _encode(content: bytes, _: bytes, rng: random.Random) -> bytes:
    match rng.randrange(6):
        case 0:
            return content.decode("utf-8", "replace").encode(rng.choice(["utf-16", "utf-16-le", "utf-32", "utf-8-sig"]))
        case 1:
            return content.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b"\x85"]))
        case 2:
            return bytes(rng.randrange(256) for _number in range(rng.randint(0, 300)))
        case 3:
            return content.replace(b" ", rng.choice([b"\t", "\u00a0".encode(), b""]))
        case _:
            return content.replace(rng.choice(TOKEN.findall(content) or [b"a"]), rng.choice(WORDS))


KINDS: list[Callable[[bytes, bytes, random.Random], bytes]] = [
    _flip, _cut, _insert, _insert, _token, _token, _token, _lines, _indent, _nest, _large, _encode,
]  # fmt: skip
