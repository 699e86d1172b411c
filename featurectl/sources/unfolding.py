"""Text files: how long their cells are, looked at before a reader holds one of them whole in memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from featurectl.core import zstd
from featurectl.core.errors import DataError

MOST_CELL: Final = 16 * 2**20  # bytes of a cell of a CSV file, of a line of others
_CHUNK: Final = 2**20


def check_cells(file: Path, what: str, separator: str | None, *, first: bool = False, most: int = MOST_CELL) -> None:
    """Check that no cell of a CSV file, or no line of an NDJSON file (no `separator`), has more than `most` bytes.

    A cell ends at a separator or a newline outside of double quotes. The file is read, and unpacked where it is
    compressed, a MiB at a time: to its end, with `first` as far as its first MiB and what begins there. `what` names
    the source and the file. What is up to a MiB too long may pass. The reader says what is damaged.

    Raises:
        DataError: FC502, one has more; the message names its line.
    """
    if file.stat().st_size <= most and not is_compressed(file):
        return
    ended = 0
    for begin, length, has_ended in _lengths(file_chunks(file), separator):
        if length > most:
            line = _lines_before(file, begin) + 1
            kind = "is longer than" if separator is None else "has a cell of more than"
            quotes = "" if separator is None else "close its quotes, if it has some; else "
            hint = f"{quotes}keep such a text in a file of its own, and where it lies in the column"
            raise DataError(f"{what} can't be read: line {line:,} {kind} {most >> 20} MiB", code="FC502", hint=hint)
        ended += has_ended
        if first and ended > 1:
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


def _lengths(chunks: Iterator[bytes], separator: str | None) -> Iterator[tuple[int, int, bool]]:
    """Yield after each chunk where the cell begins in which it ends, how long that is, and whether one ended in it."""
    ends = [b"\n"] if separator is None else [b"\n", separator.encode()]
    at, begin, inside = 0, 0, False
    for chunk in chunks:
        inside ^= separator is not None and bool(chunk.count(b'"') & 1)
        end = chunk.rfind(b"\n") if separator is None else _last_end(chunk, ends, inside=inside)
        if end >= 0:
            begin = at + end + 1
        at += len(chunk)
        yield begin, at - begin, end >= 0


def _last_end(chunk: bytes, ends: Sequence[bytes], *, inside: bool) -> int:
    """Return where the last of some ends lies that is outside of quotes, -1 without any; `inside` as the chunk ends."""
    behind = len(chunk)
    while behind >= 0:
        quote = chunk.rfind(b'"', 0, behind)
        if not inside and (end := max(chunk.rfind(each, quote + 1, behind) for each in ends)) >= 0:
            return end
        inside, behind = not inside, quote
    return -1


def _lines_before(file: Path, begin: int) -> int:
    """Return how many lines of a file end before a byte of what it holds."""
    lines = at = 0
    for chunk in file_chunks(file):
        lines += chunk.count(b"\n", 0, max(begin - at, 0))
        at += len(chunk)
        if at >= begin:
            break
    return lines


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
