"""What a server does with memory that was freed."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Arrays of a request are made and freed; how many pages does the system give anew for the next ones?
PROGRAM = """
import resource
import numpy as np
from featurectl.core.memory import keep_between_requests

def faults_of_rounds():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        arrays = [np.ones(30_000) for _ in range(6)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

PREPARE
faults_of_rounds()
print(faults_of_rounds())
"""


def faults(prepare: str) -> int:
    words = [sys.executable, "-c", PROGRAM.replace("PREPARE", prepare)]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory in their own way")
def test_a_server_keeps_the_pages_of_a_request_for_the_next_one():
    assert faults("keep_between_requests()") * 5 < faults("")
