"""The kinds of online stores are one table, by the scheme of a URL."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from featurectl.core.errors import UsageError
from featurectl.language.shapes.addresses import ONLINE_STORES
from featurectl.online.all_stores import STORES, open_async_reader, open_online
from featurectl.online.packed_store import PackedStore

ONLINE = Path(__file__).parents[2] / "featurectl/online"
# What knows where in a row its bytes lie: indices and ranges of numbers, ints from bytes, structs.
OFFSETS = re.compile(r"\b(data|body|header)\[\d*:?\d+:?\]|\bheaders\[|from_bytes\(|struct\.Struct|substr\(row, \d")
ELSEWHERE = {"row_schema.py"}  # the id of a schema is made of two bytes of a digest


@pytest.mark.parametrize("opener", [open_online, lambda url: open_async_reader(url, url, 1.0)])
def test_an_unknown_kind_is_an_error_that_lists_those_that_are(opener):
    with pytest.raises(UsageError, match="no online store of kind 'mysql'") as caught:
        opener("mysql://host/db")
    assert caught.value.hint == f"online stores: {', '.join(STORES)}"
    assert list(STORES) == [*ONLINE_STORES.schemes]
    with pytest.raises(UsageError, match=r"the online store online\.db is no URL"):
        opener("online.db")


@pytest.mark.parametrize("scheme", STORES)
def test_every_kind_is_bytes_under_one_store_of_schemas_and_records(scheme, tmp_path):
    places = {"sqlite:///": f"{tmp_path}/online.db", "dynamodb://": "eu-central-1/features"}
    store = open_online(scheme + places.get(scheme, "127.0.0.1:1/"))
    assert isinstance(store, PackedStore)
    store.close()


PROGRAM = """
import sys
sys.modules[sys.argv[1]] = None
from featurectl.core.errors import UsageError
from featurectl.online.all_stores import open_online
try:
    open_online(sys.argv[2])
except UsageError as error:
    print(error.message, error.hint, sep="|")
"""


@pytest.mark.parametrize(
    ("library", "url", "said"),
    [
        (
            "boto3",
            "dynamodb://eu-central-1/features",
            "DynamoDB needs the package boto3|pip install 'featurectl[dynamodb]'",
        ),
        ("redis", "redis://host", "Redis needs the package redis|pip install 'featurectl[redis]'"),
        ("psycopg", "postgresql://h/d", "PostgreSQL needs the package psycopg|pip install 'featurectl[postgres]'"),
    ],
)
@pytest.mark.sample(1)
def test_a_library_that_is_not_installed_is_named(library, url, said):
    found = subprocess.run([sys.executable, "-c", PROGRAM, library, url], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == f"an online store in {said}"


def test_only_what_packs_and_unpacks_rows_knows_the_places_of_bytes():
    files = [
        path.relative_to(ONLINE).as_posix() for path in sorted(ONLINE.rglob("*.py")) if OFFSETS.search(path.read_text())
    ]
    assert {f for f in files if not f.startswith(("decode/", "encode/", "stream_state/"))} == ELSEWHERE | {"codec.py"}


@pytest.mark.parametrize(
    ("url", "module", "said", "hint"),
    [
        ("redis://host/0", "redis", "in Redis needs the package redis", "featurectl[redis]"),
        ("postgresql://host/db", "libpq", "in PostgreSQL needs the package psycopg", "featurectl[postgres]"),
        ("postgresql://host/db", "psycopg", "in PostgreSQL needs the package psycopg", "featurectl[postgres]"),
    ],
)
def test_a_library_that_is_missing_is_named_with_what_brings_it(monkeypatch, url, module, said, hint):
    def opener(*_):
        if module == "libpq":
            raise ImportError("no pq wrapper available.")
        raise ModuleNotFoundError(name=module)

    monkeypatch.setitem(STORES, f"{url.partition('://')[0]}://", (opener, opener))
    with pytest.raises(UsageError, match=said) as caught:
        open_online(url)
    assert hint in caught.value.hint
