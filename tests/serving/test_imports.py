"""What a process of a server loads: memory that each of them has for as long as it lives."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import featurectl.models.runtimes.onnx
import featurectl.models.served_model
import featurectl.online.redis.stream_aio
import featurectl.online.client.stream_inputs
import featurectl.online.redis.store
import featurectl.serving.process.start
assert not [name for name in sys.modules if name.startswith("featurectl.streaming")]  # for who takes events alone
import featurectl.serving.events
print({name.split(".")[0] for name in sys.modules} & {"polars", "sqlalchemy", "deltalake", "pyarrow", "pandas"})
"""


def test_a_server_that_logs_nothing_loads_no_library_of_tables():
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
