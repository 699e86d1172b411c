"""Compressed text files: how long their lines become, looked at before a reader holds one of them whole in memory."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from featurectl.core.errors import DataError

MOST_LINE: Final = 64 * 2**20
_CHUNK: Final = 2**20


def check_lines(file: Path, what: str, *, quoted: bool, first: bool = False, most: int = MOST_LINE) -> None:
    """Check that no line of a compressed text file unfolds to more than `most` bytes; other files are left alone.

    A line ends at a newline; with `quoted`, at one outside of double quotes. With `first` the file is unpacked as far
    as its first line goes, else to its end, a MiB at a time. `what` names the source and the file. A line that is up
    to a MiB too long may pass. What is damaged is left to the reader, which says so.

    Raises:
        DataError: FC502, a line is longer.
    """
    for length, ended in _lengths(_unfolded(file), quoted=quoted):
        if length > most:
            message = f"{what}: a line of it unfolds to more than {most >> 20} MiB; rows of compressed text may not"
            raise DataError(message, code="FC502", hint="unpack the file if its rows are as long as that")
        if first and ended:
            return


def is_compressed(file: Path) -> bool:
    """Return whether a text file is compressed."""
    with file.open("rb") as opened:
        return opened.read(2) in _FORMS


def file_chunks(file: Path) -> Iterator[bytes]:
    """Return what a file holds, a MiB at a time, unpacked where it is compressed."""
    with file.open("rb") as opened:
        if opened.read(2) not in _FORMS:
            opened.seek(0)
            yield from iter(lambda: opened.read(_CHUNK), b"")
            return
    yield from _unfolded(file)


def _lengths(chunks: Iterator[bytes], *, quoted: bool) -> Iterator[tuple[int, bool]]:
    """Return after each chunk how long the line has become in which it ends, and whether one ended before."""
    length, inside = 0, False
    for chunk in chunks:
        end = _last_end(chunk, inside=inside) if quoted else chunk.rfind(b"\n")
        length = length + len(chunk) if end < 0 else len(chunk) - end - 1
        inside ^= quoted and bool(chunk.count(b'"') & 1)
        yield length, end >= 0


def _last_end(chunk: bytes, *, inside: bool) -> int:
    """Return where the last newline lies that is outside of quotes, -1 where there is none; `inside` as it begins."""
    end = chunk.rfind(b"\n")
    if end < 0 or inside == bool(chunk.count(b'"', 0, end) & 1):
        return end
    at, last = 0, -1
    for number, piece in enumerate(chunk.split(b'"')):
        if inside == bool(number & 1) and (end := piece.rfind(b"\n")) >= 0:
            last = at + end
        at += len(piece) + 1
    return last


def _unfolded(file: Path) -> Iterator[bytes]:
    """Return what a file that is compressed holds, a MiB at a time; nothing of one that isn't."""
    with file.open("rb") as packed:
        unpack = _FORMS.get(packed.read(2))
        packed.seek(0)
        if unpack is None:
            return
        try:
            yield from unpack(packed)
        except (OSError, EOFError, ValueError, zlib.error):
            return  # the reader tells what is damaged


def _gzip(packed: IO[bytes]) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=packed) as text:
        yield from iter(lambda: text.read(_CHUNK), b"")


def _zlib(packed: IO[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    while not unpacker.eof and (more := unpacker.unconsumed_tail or packed.read(_CHUNK)):
        yield unpacker.decompress(more, _CHUNK)


def _zstd(packed: IO[bytes]) -> Iterator[bytes]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    try:
        with zstd.ZstdFile(packed) as text:
            yield from iter(lambda: text.read(_CHUNK), b"")
    except zstd.ZstdError:
        return


_FORMS: Final[dict[bytes, Callable[[IO[bytes]], Iterator[bytes]]]] = {
    b"\x1f\x8b": _gzip,
    b"\x78\x01": _zlib,
    b"\x78\x5e": _zlib,
    b"\x78\x9c": _zlib,
    b"\x78\xda": _zlib,
    b"\x28\xb5": _zstd,
}
