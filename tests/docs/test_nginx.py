"""The examples for nginx take no server out for an answer that it gave."""

import re

import pytest

from tests.docs.pages import DOCS


@pytest.mark.parametrize("page", ["systemd-and-nginx.md", "serve.md"])
def test_an_upstream_of_the_examples_is_never_taken_out(page):
    servers = re.findall(r"^ +server \d\S+ *(.*);$", (DOCS / "how-to" / page).read_text(), re.MULTILINE)
    assert servers == ["max_fails=0"] * 2  # any other number counts a 503 that is passed on as a failure
