"""A kind of topics is found by the scheme of its URL."""

from __future__ import annotations

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


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("featurectl.streaming.topics.redis")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(UsageError, match="topics in Redis need the package redis") as caught:
        open_topics("redis://host")
    assert caught.value.hint == "pip install 'featurectl[redis]'"
