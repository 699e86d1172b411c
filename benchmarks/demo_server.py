"""The end of the demo's main job: a server, a prediction that is asked for as an application asks, and its end."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
ROW: Final = {
    "carrier": "AA", "origin": "JFK", "dest": "LAX", "flight_no": 1, "tailnum": "N338AA", "hour": 9, "dow": 2,
    "distance": 2475,
}  # fmt: skip
_PATIENCE_S: Final = 60.0


def serve_and_predict(folder: Path, model: str) -> tuple[str, float, int]:
    """Start a server of a repository, ask for a prediction, end the server; return the command, seconds, exit code."""
    port = _free_port()
    command = f"serve --port {port} --drain 0s"
    print(f"\n$ featurectl {command} &", flush=True)
    begin = time.perf_counter()
    line = [sys.executable, "-m", "featurectl", *command.split()]
    with (folder / "serve.log").open("w") as log, subprocess.Popen(line, cwd=folder, stderr=log) as server:
        try:
            is_predicted = _wait_until_ready(server, port) and _predict(port, model)
        finally:
            server.terminate()
    code = server.wait()
    if not is_predicted:
        print((folder / "serve.log").read_text())
    return command, time.perf_counter() - begin, code if is_predicted else code or 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(server: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + _PATIENCE_S
    while server.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/ready", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False


def _predict(port: int, model: str) -> bool:
    """Ask by curl, by Python where there is none, and show the answer."""
    url, body = f"http://{HOST}:{port}/v1/predict/{model}", json.dumps({"rows": [ROW]})
    print(f"$ curl -s {url} -d '{body}'", flush=True)
    if curl := shutil.which("curl"):
        done = subprocess.run([curl, "-s", url, "-d", body], capture_output=True, text=True, check=False, timeout=30)
        answer = done.stdout
    else:
        with urllib.request.urlopen(urllib.request.Request(url, body.encode()), timeout=30) as response:
            answer = response.read().decode()
    print(answer)
    return '"score"' in answer
