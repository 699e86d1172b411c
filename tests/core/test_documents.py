"""JSON of others is read, or is one kind of error: nothing deep or large ends who reads it."""

from pathlib import Path

import pytest

from featurectl.core.documents import parse_json
from featurectl.core.errors import StoreError, UsageError
from featurectl.models.export import exported_categories
from featurectl.offline.commit import load_commit
from featurectl.operations.training.reproduce import load_manifest
from featurectl.registry.rows import read_document

DEEP = '{"a":' * 50_000 + "1" + "}" * 50_000


@pytest.mark.parametrize("text", [DEEP, "[" * 100_000, b"\xff", "", "{", "9" * 5_000])
def test_what_is_no_document_is_one_kind_of_error(text):
    with pytest.raises(ValueError):  # noqa: PT011  # the words are those of the parser of this Python
        parse_json(text)


@pytest.mark.parametrize("text", [DEEP, "[]", "{}", '{"parts": 1}', "null"])
def test_a_commit_that_another_wrote_is_an_error_of_its_table(text):
    with pytest.raises(StoreError, match="the table spend@1") as raised:
        load_commit(text, "spend@1")
    assert raised.value.code == "FC603"


def test_a_document_of_the_registry_that_is_none_is_its_error():
    with pytest.raises(StoreError) as raised:
        read_document(DEEP, str)
    assert raised.value.code == "FC601"


def test_a_file_beside_a_model_that_is_no_document_says_nothing_of_it(tmp_path):
    (tmp_path / "inputs.json").write_text(DEEP)
    assert exported_categories(tmp_path / "model.onnx") == {}


def test_a_manifest_is_a_regular_file_that_can_be_read(tmp_path):
    (tmp_path / "deep.json").write_text(DEEP)
    for path, told in ((tmp_path / "deep.json", "no training set"), (Path("/dev/zero"), "it is a device")):
        with pytest.raises(UsageError, match=told):
            load_manifest(path, tmp_path / "out.parquet")
