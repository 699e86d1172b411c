"""Several processes on one port: how they end."""

from __future__ import annotations

import pytest

from tests.serving.process import running


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("is_told", [True, False], ids=["told to stop", "Ctrl-C"])
def test_a_server_ends_with_the_code_of_what_ended_it_however_many_processes_it_has(clicks, workers, is_told):
    with running(clicks, "--workers", workers) as server:
        assert (server.stop() if is_told else server.interrupt()) == (0 if is_told else 130)
        text = server.log.read_text()
        assert ("Traceback" in text, "interrupted" in text) == (False, not is_told)
