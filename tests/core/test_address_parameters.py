"""The parameters that may stand in a URL are those that our readers of URLs know, but for their secrets."""

from __future__ import annotations

import pytest

from featurectl.core.address_parameters import allowed_parameters
from featurectl.sources.sql import bigquery_address, snowflake_address
from featurectl.streaming.topics.kafka import address as kafka_address


@pytest.mark.parametrize(
    ("scheme", "known", "secrets"),
    [
        ("bigquery", bigquery_address.PARAMETERS, set()),
        ("snowflake", snowflake_address.PARAMETERS, {"token", "private_key_file_pwd"}),
        ("kafka", kafka_address.PARAMETERS, {"key_password"}),
    ],
)
def test_a_url_may_have_written_out_what_its_driver_knows_but_its_secrets(scheme, known, secrets):
    assert {*known} - allowed_parameters(scheme) == secrets
