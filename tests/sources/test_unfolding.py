"""Text files are read, compressed or not; one with a very long cell is refused before it takes the memory."""

from __future__ import annotations

import gzip
import sys
import zlib
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.errors import DataError
from featurectl.language.definitions.source import Source
from featurectl.sources import unfolding
from featurectl.sources.open import check_there, open_source
from featurectl.sources.unfolding import check_cells

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 2**20
HEADER = b"id,name\n"
PACKERS = {"gzip": gzip.compress, "zlib": zlib.compress, "zstd": zstd.compress}


def source(form):
    return Source(name="orders", format=form, path=f"rows.{form}")


def naive_lengths(chunks, separator):
    """Return after each chunk how many bytes have come since the last end of a cell, byte by byte."""
    length, inside, lengths = 0, False, []
    for chunk in chunks:
        for byte in chunk.decode():
            length += 1
            if separator and byte == '"':
                inside = not inside
            elif byte in ("\n", separator) and not inside:
                length = 0
        lengths.append(length)
    return lengths


@given(st.lists(st.text('a"\n;', min_size=1).map(str.encode), max_size=5), st.sampled_from([None, ";"]))
def test_cells_are_as_long_as_they_are_byte_by_byte(chunks, separator):
    lengths = [length for _, length, _ in unfolding._lengths(iter(chunks), separator)]  # noqa: SLF001  # lengths that no file of a test has
    assert lengths == naive_lengths(chunks, separator)


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
    "a header": ("csv", b"id,", b"n", b"\n1,a\n", "line 1 has a cell of"),
    "a header in quotes": ("csv", b'id,"', b"\n", b'"\n1,a\n', "line 1 has a cell of"),
    "a cell": ("csv", HEADER + b'0,"a\nb"\n1,', b"a", b"\n", "line 4 has a cell of"),
    "a cell in quotes": ("csv", HEADER + b'1,"', b",\n", b'"\n', "line 2 has a cell of"),
    "an object": ("ndjson", b'{"id": 1}\n{"id": 1, "name": "', b"a", b'"}\n', "line 2 is longer"),
}


@pytest.mark.parametrize(
    ("place", "packer"),
    [
        ("a cell", "plain"), ("an object", "gzip"), ("a header", "gzip"), ("a header in quotes", "zstd"),
        ("a cell", "zlib"), ("a cell in quotes", "plain"), ("a cell in quotes", "gzip"), ("an object", "plain"),
    ],
)  # fmt: skip
@pytest.mark.sample(2)
def test_a_cell_that_is_too_long_is_refused_with_its_file_and_line(tmp_path, place, packer):
    form, begin, filler, end, said = LONG[place]
    file = tmp_path / f"rows.{form}"
    file.write_bytes(PACKERS.get(packer, bytes)(begin + filler * (18 * MIB // len(filler)) + end))
    where = rf"source orders, file rows\.{form} can't be read: {said} more than 16 MiB|longer than 16 MiB"
    reader = open_source(source(form), tmp_path)
    for read in (reader.columns, partial(check_there, source(form), tmp_path)):
        with pytest.raises(DataError, match=where) as caught:
            read()
        assert caught.value.code == "FC502"


def test_a_file_that_can_not_be_opened_is_told_as_the_sources(tmp_path, monkeypatch):
    def refuse(self, *_):
        raise PermissionError(13, "Permission denied", str(self))

    (tmp_path / "rows.csv").touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"source orders, file rows\.csv can't be read: .*Permission denied"):
        check_there(source("csv"), tmp_path)


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
    with pytest.raises(DataError, match="line 2 has a cell of more"):
        check_cells(file, "it", ",", most=MIB)


def test_many_short_cells_and_long_rows_are_left_alone(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_bytes(gzip.compress(b'1,"a\nb"\n' * MIB))
    check_cells(file, "it", ",", most=MIB)
    file.write_bytes(b'1,"a",' * MIB)
    check_cells(file, "it", ",", most=MIB)


def test_only_the_first_cells_are_looked_at_for_the_header(tmp_path):
    file, rows = tmp_path / "rows.csv", HEADER + b"1,a\n" * MIB
    file.write_bytes(gzip.compress(rows + b"a" * (4 * MIB)))
    check_cells(file, "it", ",", first=True, most=MIB)
    with pytest.raises(DataError, match="line 1,048,578 has a cell of more"):
        check_cells(file, "it", ",", most=MIB)


@pytest.mark.parametrize("packer", PACKERS)
def test_a_damaged_file_is_told_by_its_reader(tmp_path, packer):
    whole = PACKERS[packer](HEADER + bytes(range(256)) * 4000)
    (tmp_path / "rows.csv").write_bytes(whole[: len(whole) // 2])
    check_cells(tmp_path / "rows.csv", "it", ",")
    with pytest.raises(DataError, match=r"source orders.*can't be read") as caught:
        open_source(source("csv"), tmp_path).columns()
    assert caught.value.code == "FC502"
