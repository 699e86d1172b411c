"""An Iceberg table in Azure is read as one in a folder, in every way to write its address."""

from __future__ import annotations

import sys

import pytest
from pyiceberg.catalog.sql import SqlCatalog

from featurectl.core.errors import DataError, NoAnswerError, StoreError
from featurectl.sources.iceberg.azure_files import AzureFiles
from featurectl.sources.open import open_source
from tests.servers.azure import ACCOUNT, CONTAINER
from tests.servers.pausing import hanging
from tests.servers.redis import free_port
from tests.sources.azure_lake import AzureWriter
from tests.sources.test_iceberg import SOURCE, rows

pytestmark = pytest.mark.guests
PLACES = (f"abfss://{CONTAINER}@{ACCOUNT}.dfs.core.windows.net", f"abfs://{CONTAINER}", f"az://{CONTAINER}")


@pytest.fixture(params=PLACES)
def lake(tmp_path, azure, request):
    """A catalog whose table lies in Azure; the environment names the account and its key."""
    warehouse = azure.location().replace(f"az://{CONTAINER}", request.param)
    keys = {"warehouse": warehouse, "py-io-impl": "tests.sources.azure_lake.AzureWriter"}
    with SqlCatalog("lake", uri=f"sqlite:///{tmp_path}/catalog.db", **keys) as catalog:
        catalog.create_namespace("shop")
        table = catalog.create_table("shop.orders", schema=rows().to_arrow().schema)
        table.append(rows(1, 2, 3).to_arrow())
        yield tmp_path, table


def ids(reader) -> list[int]:
    return sorted(reader.scan(reader.parts()).collect().get_column("id").to_list())


def test_a_table_in_azure_is_read(lake):
    root, table = lake
    assert ids(open_source(SOURCE, root)) == [0, 1, 2]
    table.append(rows(4, first=7).to_arrow())
    assert ids(open_source(SOURCE, root)) == [0, 1, 2, 7]
    table.delete("id = 1")
    assert ids(open_source(SOURCE, root)) == [0, 2, 7]


def test_what_azure_refuses_is_said_in_one_line(lake, azure, monkeypatch):
    monkeypatch.setenv(*azure.wrong_key)
    with pytest.raises(DataError, match=rf"can't be read: [^\n]*\({azure.refused}\)$") as caught:
        open_source(SOURCE, lake[0]).parts()
    assert azure.key not in str(caught.value)


def test_an_azure_that_is_not_there_or_hangs_is_given_up(lake, azure, monkeypatch):
    for name, seconds in (("READ_S", 1.0), ("RETRY_S", 1.0), ("CONNECT_S", 1.0)):
        monkeypatch.setattr(f"featurectl.core.object_store.{name}", seconds)
    with hanging(azure.pid), pytest.raises(NoAnswerError, match="no answer from the object store") as caught:
        open_source(SOURCE, lake[0]).parts()
    assert caught.value.code == "FC616"
    monkeypatch.setenv(azure.endpoint_name, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NoAnswerError):
        open_source(SOURCE, lake[0]).parts()


def test_properties_of_the_account_are_before_the_environment(azure, monkeypatch):
    place = f"{PLACES[0]}/{azure.location().rpartition('/')[2]}/x"
    with AzureWriter().new_output(place).create() as stream:
        stream.write(b"hello")
    monkeypatch.setenv(*azure.wrong_key)
    with pytest.raises(OSError, match=azure.refused):
        AzureFiles().new_input(place).exists()
    file = AzureFiles({"adls.account-name": ACCOUNT, "adls.account-key": azure.key}).new_input(place)
    assert (file.exists(), len(file), file.open().read()) == (True, 5, b"hello")
    assert not AzureFiles({"adls.account-key": azure.key}).new_input(f"{place}y").exists()
    with pytest.raises(OSError, match="does not lie in Azure"):
        AzureFiles().new_input("file:///etc/passwd")


def test_without_obstore_its_extra_is_said(lake, monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(StoreError, match="tables in Azure need the package obstore") as caught:
        open_source(SOURCE, lake[0]).parts()
    assert caught.value.hint == "pip install 'featurectl[cloud]'"
