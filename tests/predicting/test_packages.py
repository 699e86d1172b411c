"""Workers run where nothing is installed that serves models over HTTP."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys

class Missing:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("httptools", "onnxruntime", "prometheus_client", "starlette", "uvicorn", "uvloop"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from featurectl.core.errors import UsageError
from featurectl.predicting import followed_models, stream_predictor
try:
    stream_predictor._open_log(None, print)
except UsageError as error:
    print(error.message, "/", error.hint)
"""


@pytest.mark.long
def test_only_models_that_predict_need_the_packages_of_a_server():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    wanted = "predictions on events need prometheus_client, which is not installed / pip install 'featurectl[serve]'\n"
    assert (done.stdout, done.stderr) == (wanted, "")
