"""An Iceberg table in an object store is read as one in a folder."""

from __future__ import annotations

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from featurectl.core.errors import NoAnswerError
from featurectl.sources.iceberg.catalogs import _WAITS
from featurectl.sources.open import open_source
from tests.servers.pausing import hanging
from tests.sources.test_iceberg import SOURCE, rows


@pytest.fixture
def in_bucket(tmp_path, s3):
    keys = {"s3.endpoint": s3.endpoint, "s3.region": s3.environ["AWS_REGION"]}
    with SqlCatalog("lake", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=s3.location(), **keys) as catalog:
        catalog.create_namespace("shop")
        table = catalog.create_table("shop.orders", schema=rows().to_arrow().schema)
        table.append(rows(1, 2, 3).to_arrow())
        table.append(rows(4, first=7).to_arrow())
        table.delete("id = 1")
    return tmp_path


@pytest.mark.long
def test_a_table_in_a_bucket_is_read(in_bucket):
    reader = open_source(SOURCE, in_bucket)
    assert reader.size_bytes(reader.parts()) is None
    assert sorted(reader.scan(reader.parts()).collect().get_column("id").to_list()) == [0, 2, 7]


@pytest.mark.long
def test_a_bucket_that_hangs_is_given_up(in_bucket, s3, monkeypatch):
    monkeypatch.setitem(_WAITS, "s3.request-timeout", "1")
    with hanging(s3.pid), pytest.raises(NoAnswerError, match="no answer from the object store") as caught:
        open_source(SOURCE, in_bucket).parts()
    assert caught.value.code == "FC616"
