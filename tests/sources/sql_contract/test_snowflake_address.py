"""URLs of Snowflake, and what it says, without a server."""

from __future__ import annotations

import sys
from datetime import time

import polars as pl
import pyarrow as pa
import pytest

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.core.secrets import hide_address_secrets
from featurectl.language.definitions.source import Source
from featurectl.sources.sql.snowflake import is_more_than_one
from featurectl.sources.sql.snowflake_address import snowflake_address
from featurectl.sources.sql.snowflake_columns import described_columns, snowflake_frame
from featurectl.sources.sql.snowflake_server import why_silent
from tests.sources.sql_contract.kinds import SNOWFLAKE, Database

OPTION = "adbc.snowflake.sql."
KEY = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
ADDRESSES = {
    "snowflake://ana:p%40s%2Fs@org-acct/shop/public?warehouse=small&role=reader": {
        "username": "ana", "password": "p@s/s", f"{OPTION}account": "org-acct", f"{OPTION}db": "shop",
        f"{OPTION}schema": "public", f"{OPTION}warehouse": "small", f"{OPTION}role": "reader",
        f"{OPTION}auth_type": "auth_snowflake", "TIMEZONE": "Asia/Tokyo",
    },
    "snowflake://ana@xy1.eu-central-1/shop?private_key_file=key.p8&private_key_file_pwd=phrase": {
        f"{OPTION}auth_type": "auth_jwt", f"{OPTION}client_option.jwt_private_key_pkcs8_value": KEY,
        f"{OPTION}client_option.jwt_private_key_pkcs8_password": "phrase",
    },
    "snowflake://acct/shop?token=t": {f"{OPTION}auth_type": "auth_oauth", f"{OPTION}client_option.auth_token": "t"},
    "snowflake://ana@acct?token=t&authenticator=programmatic_access_token": {f"{OPTION}auth_type": "auth_pat"},
    "snowflake://ana@acct?query_tag=features&host=h&port=1&protocol=http": {
        "QUERY_TAG": "features", f"{OPTION}uri.host": "h", f"{OPTION}uri.port": "1", f"{OPTION}uri.protocol": "http",
    },
}  # fmt: skip
WRONG = {
    "snowflake://ana:secret-pw@acct/shop?warehuose=x": ("FC508", "parameter 'warehuose'; there are warehouse, role,"),
    "snowflake:///shop": ("FC508", "names no account"),
    "snowflake://ana:secret-pw@acct?authenticator=okta": ("FC508", "authenticator is 'okta'; there are snowflake,"),
    "snowflake://ana@acct?authenticator=oauth": ("FC508", "it has no token"),
    "snowflake://ana@acct?authenticator=snowflake_jwt": ("FC508", "it names no private_key_file"),
    "snowflake://ana@acct?private_key_file=no.p8&private_key_file_pwd=secret-pw": ("FC605", "no.p8 can't be read: No"),
    "snowflake://ana@acct?private_key_file=text&private_key_file_pwd=secret-pw": ("FC508", "holds no private key"),
}


@pytest.mark.parametrize(("url", "wanted"), ADDRESSES.items(), ids=ADDRESSES)
def test_an_address_is_what_the_driver_is_given(url, wanted, tmp_path):
    (tmp_path / "key.p8").write_text(KEY)
    found = snowflake_address(url, "Asia/Tokyo", tmp_path.joinpath)
    assert found.options | wanted == dict(found.options)
    assert "" not in found.options.values()
    assert "phrase" not in repr(found)


@pytest.mark.parametrize(("url", "code", "said"), [(url, *wanted) for url, wanted in WRONG.items()], ids=WRONG)
def test_an_address_that_is_wrong_is_said_without_secrets(url, code, said, tmp_path, monkeypatch):
    (tmp_path / "text").write_text("secret-pw")
    with pytest.raises(FeaturectlError, match="source orders: snowflake:") as caught:
        Database(SNOWFLAKE, tmp_path, url, monkeypatch).read("select 1 as a")
    assert caught.value.code == code
    assert said in caught.value.message
    assert "secret-pw" not in f"{caught.value}"


def test_a_url_of_the_dialect_is_left_to_it_where_it_is_installed(tmp_path, monkeypatch):
    monkeypatch.setattr("featurectl.sources.sql.snowflake.find_spec", lambda _: True)
    with pytest.raises(StoreError, match="no driver for snowflake: no installed package brings one"):
        Database(SNOWFLAKE, tmp_path, "snowflake://ana@acct?insecure_mode=true", monkeypatch).read("select 1 as a")


def test_names_of_warehouses_and_roles_are_no_secrets():
    address = "snowflake://ana:geheim@acct/shop?warehouse=COMPUTE_WH&role=READER&private_key_file_pwd=phrase"
    said = "warehouse COMPUTE_WH can't be used by READER: geheim, phrase"
    assert hide_address_secrets(said, address) == "warehouse COMPUTE_WH can't be used by READER: ***, ***"


def test_the_server_of_an_account_is_known(tmp_path):
    for account, country in (("acct", "com"), ("xy1.eu-central-1", "com"), ("xy1.cn-northwest-1", "cn")):
        found = snowflake_address(f"snowflake://ana@{account}", "UTC", tmp_path.joinpath)
        assert found.endpoint == f"https://{account}.snowflakecomputing.{country}/"


@pytest.mark.parametrize("module", ["adbc_driver_snowflake", "pyarrow"])
def test_a_driver_that_is_missing_is_said_with_its_extra(tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(StoreError, match="no driver for snowflake") as caught:
        Database(SNOWFLAKE, tmp_path, "snowflake://ana@acct/shop", monkeypatch).read("select 1 as a")
    assert (caught.value.code, caught.value.hint) == ("FC605", "pip install 'featurectl[snowflake]'")


def test_times_and_instants_of_any_precision_are_one_type():
    units = ("s", "ms", "us", "ns")
    kinds = [*(pa.timestamp(unit) for unit in units), *(pa.timestamp(unit, "Asia/Tokyo") for unit in units)]
    kinds += [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]
    told = ["timestamp_ntz"] * 4 + ["timestamp_ltz"] * 4 + ["time"] * 4
    fields = [pa.field(f"C{i}", kind, metadata={"SNOWFLAKE_TYPE": told[i]}) for i, kind in enumerate(kinds)]
    source = Source(name="orders", format="sql", event_time=None)
    columns = described_columns(pa.schema(fields), source, "here")
    numbers = [pa.array([0, None], "int32" if str(kind).startswith("time32") else "int64") for kind in kinds]
    rows = pa.table([each.cast(kind) for each, kind in zip(numbers, kinds, strict=True)], schema=pa.schema(fields))
    frame = snowflake_frame(rows, columns, "here")
    assert frame.dtypes == [pl.Datetime("us")] * 4 + [pl.Datetime("us", "UTC")] * 4 + [pl.Time()] * 4
    assert frame.row(0)[8:] == (time(0),) * 4
    assert frame.row(1) == (None,) * 12


def test_a_server_that_is_not_there_is_silent():
    assert "refused" in why_silent("http://127.0.0.1:1/")


@pytest.mark.parametrize(("text", "is_more"), [
    ("select 1;;  ", False), ("select 'a;b' as c", False), ("select 'it''s;' || 'it\\'s;'", False),
    ('select 1 as "a;""b"', False), ("select $$a;'b$$ as c; // end; of it", False), ("select 1 /* ; */ -- ; x", False),
    ("select 1; select 2", True), ("select ';'; x", True), ("select '\\\\'; drop table t; --'", True),
    ("select 1 -- '\n; delete from t", True), ("select $$;$$; delete from t", True), ("select 1;'x'", True),
])  # fmt: skip
def test_a_second_statement_is_seen_behind_texts_and_comments(text, is_more):
    assert is_more_than_one(text) == is_more
