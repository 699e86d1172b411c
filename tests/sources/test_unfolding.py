"""Compressed text files are read; one of which a line unfolds to gigabytes is refused before it takes the memory."""

from __future__ import annotations

import gzip
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.errors import DataError
from featurectl.language.definitions.source import Source
from featurectl.sources import unfolding
from featurectl.sources.open import open_source, read_schema
from featurectl.sources.unfolding import check_lines

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 2**20
HEADER = b"id,name\n"
PACKERS = {"gzip": gzip.compress, "zlib": zlib.compress, "zstd": zstd.compress}


def source(form):
    return Source(name="orders", format=form, path=f"rows.{form}")


def naive_lengths(chunks, *, quoted):
    """Return after each chunk how many bytes have come since the last end of a line, byte by byte."""
    length, inside, lengths = 0, False, []
    for chunk in chunks:
        for byte in chunk:
            length += 1
            if quoted and byte == ord('"'):
                inside = not inside
            elif byte == ord("\n") and not inside:
                length = 0
        lengths.append(length)
    return lengths


@given(st.lists(st.text('a"\n', min_size=1).map(str.encode), max_size=5), st.booleans())
def test_lines_are_as_long_as_they_are_byte_by_byte(chunks, quoted):
    lengths = [length for length, _ in unfolding._lengths(iter(chunks), quoted=quoted)]  # noqa: SLF001  # lengths that no file of a test has
    assert lengths == naive_lengths(chunks, quoted=quoted)


@pytest.mark.parametrize("packer", PACKERS)
def test_rows_of_compressed_files_are_read(tmp_path, packer):
    pack = PACKERS[packer]
    (tmp_path / "rows.csv").write_bytes(pack(HEADER + b'1,"a\nb"\n') + (b"" if packer == "zlib" else pack(b"2,c\n")))
    reader = open_source(source("csv"), tmp_path)
    ids = [1] if packer == "zlib" else [1, 2]
    assert reader.scan(reader.parts()).collect()["id"].to_list() == ids
    (tmp_path / "rows.ndjson").write_bytes(pack(b'{"id": 1}\n{"id": 2}\n'))
    reader = open_source(source("ndjson"), tmp_path)
    assert reader.scan(reader.parts()).collect()["id"].to_list() == [1, 2]


LONG = {
    "a header": ("csv", b"id,", b"n", b"\n1,a\n"),
    "a header in quotes": ("csv", b'id,"', b"\n", b'"\n1,a\n'),
    "a row": ("csv", HEADER + b"1,", b"a", b"\n"),
    "a row in quotes": ("csv", HEADER + b'1,"', b"\n", b'"\n'),
    "an object": ("ndjson", b'{"id": 1, "name": "', b"a", b'"}\n'),
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("place", "packer"),
    [
        ("a header", "gzip"), ("a header in quotes", "zstd"), ("a row", "zlib"), ("a row", "zstd"),
        ("a row in quotes", "gzip"), ("an object", "gzip"),
    ],
)  # fmt: skip
@pytest.mark.sample(2)
def test_a_line_that_unfolds_to_much_is_refused_with_its_file(tmp_path, place, packer):
    form, begin, filler, end = LONG[place]
    file = tmp_path / f"rows.{form}"
    file.write_bytes(PACKERS[packer](begin + filler * (65 * MIB + 9) + end))
    reader = open_source(source(form), tmp_path)
    with pytest.raises(DataError, match=rf"source orders, file rows\.{form}: a line of it unfolds to more") as caught:
        reader.columns()
    assert caught.value.code == "FC502"
    if "header" in place:
        with pytest.raises(DataError, match="unfolds"):
            read_schema(source(form), tmp_path)


@pytest.mark.parametrize("level", range(10))
@pytest.mark.sample(4)
def test_whatever_the_reader_unpacks_is_looked_at(tmp_path, level):
    file = tmp_path / "rows.csv"
    file.write_bytes(zlib.compress(HEADER + b"1," + b"a" * (3 * MIB), level))
    reader = open_source(source("csv"), tmp_path)
    try:
        height = reader.scan(reader.parts()).collect().height
    except DataError:  # it is no compressed file to the reader
        return
    assert height == 1
    with pytest.raises(DataError, match="unfolds"):
        check_lines(file, "it", quoted=True, most=MIB)


def test_many_short_lines_and_plain_files_are_left_alone(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_bytes(gzip.compress(b'1,"a\nb"\n' * MIB))
    check_lines(file, "it", quoted=True, most=MIB)
    file.write_bytes(b"a" * (4 * MIB))
    check_lines(file, "it", quoted=True, most=MIB)


def test_only_the_first_line_is_unpacked_for_the_header(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_bytes(gzip.compress(HEADER + b"a" * (4 * MIB)))
    check_lines(file, "it", quoted=True, first=True, most=MIB)
    with pytest.raises(DataError, match="unfolds"):
        check_lines(file, "it", quoted=True, most=MIB)


@pytest.mark.parametrize("packer", PACKERS)
def test_a_damaged_file_is_told_by_its_reader(tmp_path, packer):
    whole = PACKERS[packer](HEADER + bytes(range(256)) * 4000)
    (tmp_path / "rows.csv").write_bytes(whole[: len(whole) // 2])
    check_lines(tmp_path / "rows.csv", "it", quoted=True)
    with pytest.raises(DataError, match=r"source orders.*can't be read") as caught:
        open_source(source("csv"), tmp_path).columns()
    assert caught.value.code == "FC502"
