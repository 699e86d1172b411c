"""A kind of topics is found by the scheme of its URL."""

from __future__ import annotations

import subprocess
import sys

import pytest

from featurectl.core.errors import UsageError
from featurectl.streaming.topics.all_topic_kinds import TOPIC_KINDS, open_topics


def test_an_unknown_kind_is_an_error_that_lists_those_there_are():
    with pytest.raises(UsageError, match="no topics of kind 'pulsar'") as caught:
        open_topics("pulsar://user:secret@host")
    assert all(scheme in caught.value.hint for scheme in TOPIC_KINDS)
    assert "secret" not in str(caught.value)


def test_an_address_that_is_no_url_is_an_error():
    with pytest.raises(UsageError, match=r"the address of topics streams.db is no URL"):
        open_topics("streams.db")


@pytest.mark.parametrize("url", ["redis://user:secret@host:port/0", "redis+cluster://u:secret@host:6379/7"])
def test_a_url_that_is_none_of_its_kind_is_an_error_without_secrets(url):
    with pytest.raises(UsageError, match=r"the address of topics redis.* is no URL of Redis") as caught:
        open_topics(url)
    assert "secret" not in str(caught.value)


PROGRAM = """
import subprocess
import sys
sys.modules[sys.argv[1]] = None
from featurectl.core.errors import UsageError
from featurectl.streaming.topics.all_topic_kinds import open_topics
try:
    open_topics(sys.argv[2])
except UsageError as error:
    print(error.message, error.hint, sep="|")
"""


@pytest.mark.parametrize(
    ("library", "url", "said"),
    [
        ("redis", "redis://host", "topics in Redis need the package redis|pip install 'featurectl[redis]'"),
        (
            "confluent_kafka",
            "kafka://host",
            "topics in Kafka need the package confluent-kafka|pip install 'featurectl[kafka]'",
        ),
    ],
)
def test_a_library_that_is_not_installed_is_named(library, url, said):
    found = subprocess.run([sys.executable, "-c", PROGRAM, library, url], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == said
