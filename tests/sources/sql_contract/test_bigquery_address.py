"""What the URL of a BigQuery says, and Arrow of it as frames: told without a BigQuery."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest

from featurectl.core.errors import DataError
from featurectl.sources.sql.bigquery_address import bigquery_address
from featurectl.sources.sql.bigquery_types import bigquery_frame, polars_types

WRONG = {
    "bigquery://shop/sales?bytes=1": "no parameter of BigQuery is called 'bytes': there are location, credentials, ",
    "bigquery://shop/sales?loction=EU": "is called 'loction': did you mean \"location\"",
    "bigquery://shop/sales?location=EU&location=US": "it says location twice",
    "bigquery://shop/sales?maximum_bytes_billed=10GB": "maximum_bytes_billed is no whole number of bytes",
    "bigquery://shop/sales?labels=team": "labels are not of the form KEY:VALUE,KEY:VALUE",
    "bigquery://shop/sales?priority=high": "priority is none of interactive, batch",
    "bigquery://shop/sales?endpoint=https://evil.example": "endpoint is neither of googleapis.com nor http://",
    "bigquery://shop/sales?storage_endpoint=evilgoogleapis.com": "storage_endpoint is neither of googleapis.com",
    "bigquery://ana:pw@shop/sales": "it is not of the form bigquery://PROJECT/DATASET",
    "bigquery://shop//sales": "it is not of the form bigquery://PROJECT/DATASET",
    "bigquery://shop/a/b/c": "it is not of the form bigquery://PROJECT/DATASET",
}


@pytest.mark.parametrize(("url", "said"), WRONG.items(), ids=WRONG)
def test_what_can_not_be_meant_is_named(url, said):
    with pytest.raises(ValueError, match=said) as caught:
        bigquery_address(url)
    assert "pw" not in str(caught.value)


def test_an_address_says_what_it_costs_at_most_and_who_pays():
    options = "maximum_bytes_billed=1000&labels=a:b,c:&priority=BATCH&credentials=/k%20y+.json&use_query_cache=false"
    address = bigquery_address(f"bigquery://example.com:shop/sales?{options}")
    assert (address.project, address.dataset, address.maximum_bytes_billed) == ("example.com:shop", "sales", 1000)
    assert (address.labels, address.priority, address.use_query_cache) == ({"a": "b", "c": ""}, "BATCH", False)
    assert address.credentials == "/k y+.json"
    assert bigquery_address("bigquery://shop").dataset == ""


@pytest.mark.parametrize("place", ["https://bigquery-x.p.googleapis.com", "http://localhost:9050"])
def test_an_endpoint_is_of_google_or_an_emulator(place):
    assert bigquery_address(f"bigquery://shop/sales?endpoint={place}").endpoint == place
    assert bigquery_address("bigquery://shop?storage_endpoint=x.googleapis.com:443").storage_endpoint


def test_parameters_of_the_dialect_of_sqlalchemy_go_on_working():
    address = bigquery_address("bigquery://shop/sales?credentials_path=k.json&arraysize=1000")
    assert address.credentials == "k.json"


@dataclass
class Field:
    """A column as Google's client describes it."""

    name: str
    field_type: str
    mode: str = "NULLABLE"
    fields: tuple = ()


def test_a_bignumeric_is_read_where_no_digit_is_lost():
    fields = [Field("a", "BIGNUMERIC"), Field("b", "RECORD", "REPEATED", (Field("n", "BIGNUMERIC"),))]
    types = polars_types(fields, "the query")
    wide = pa.decimal256(76, 38)
    for value, nested in [("1.5", "2.25"), ("1.5", "0.0000000001"), ("1e30", "2.25")]:
        rows = pa.record_batch({
            "a": pa.array([Decimal(value)], wide),
            "b": pa.array([[{"n": Decimal(nested)}]], pa.list_(pa.struct([("n", wide)]))),
        })  # fmt: skip
        if (value, nested) == ("1.5", "2.25"):
            frame = bigquery_frame(rows, types, "the query")
            assert frame.schema["a"] == pl.Decimal(38, 9)
            assert frame.rows() == [(Decimal(value), [{"n": Decimal(nested)}])]
            continue
        with pytest.raises(DataError, match=r"the query: column '[ab]' can't be read") as caught:
            bigquery_frame(rows, types, "the query")
        assert caught.value.hint == "cast it in the query: to numeric, float64 or string"
