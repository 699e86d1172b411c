"""JSON of others is read, or is one kind of error: nothing deep or large ends who reads it."""

import pytest

from featurectl.documents import parse_json
from featurectl.errors import StoreError
from featurectl.offline.commit import load_commit
from featurectl.registry.rows import load_document

DEEP = '{"a":' * 50_000 + "1" + "}" * 50_000


@pytest.mark.parametrize("text", [DEEP, "[" * 100_000, b"\xff", "", "{", "9" * 5_000])
def test_what_is_no_document_is_one_kind_of_error(text):
    with pytest.raises(ValueError):
        parse_json(text)


@pytest.mark.parametrize("text", [DEEP, "[]", "{}", '{"parts": 1}', "null"])
def test_a_commit_that_another_wrote_is_an_error_of_its_table(text):
    with pytest.raises(StoreError, match="the table spend@1") as raised:
        load_commit(text, "spend@1")
    assert raised.value.code == "FC603"


def test_a_document_of_the_registry_that_is_none_is_its_error():
    with pytest.raises(StoreError) as raised:
        load_document(DEEP)
    assert raised.value.code == "FC601"
