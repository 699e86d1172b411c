"""A file of JSON objects that can't be read is told of by its first wrong line."""

from __future__ import annotations

import gzip

import pytest

from featurectl.core.errors import DataError
from featurectl.language.definitions.source import Source
from featurectl.sources.open import open_source

WRONG_JSON = {
    b'{"v": }': "is no JSON: expecting value, at character 7",
    b'{"v": 1} {"v": 2}': "is no JSON: extra data, at character 10",
    b'{"v": NaN}': "is no JSON: NaN is no number of it",
    b'{"v": 1e400}': "is no JSON: 1e400 is beyond the range of a float",
    b'{"v": ' + b"[" * 2000 + b"]" * 2000 + b"}": "is nested too deeply",
    b"[1]": "is a list and no object",
    b"null": "is null and no object",
    b"7": "is a number and no object",
    b'{"v": "\xff"}': "is not UTF-8: byte 0xFF",
}


@pytest.mark.parametrize("line", WRONG_JSON, ids=range(len(WRONG_JSON)))
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_line_of_ndjson_that_is_no_object_is_named_with_its_file(tmp_path, pack, line):
    good = b'{"at": "2026-01-01T00:00:00Z"}\n'
    (tmp_path / "a.ndjson").write_bytes(pack(good))
    (tmp_path / "b.ndjson").write_bytes(pack(good + b"\n" + line + b"\n" + good))
    said = f"source orders, file b.ndjson can't be read: line 3 {WRONG_JSON[line]}"
    reader = open_source(Source(name="orders", format="ndjson", path="*.ndjson", event_time="at"), tmp_path)
    parts = reader.parts()
    with pytest.raises(DataError, match=said) as caught:
        reader.scan(parts)
    assert (caught.value.code, caught.value.hint is not None) == ("FC502", True)
