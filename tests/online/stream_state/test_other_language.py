"""The reader of lists in docs/reference/online-store.md, in another language, says what ours says."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from featurectl.core.dtypes import FLOAT64, STRING
from featurectl.language.definitions.view import Feature
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.layout import layout_document
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.online.stream_state.record import pack_record
from tests.online.stream_state.events import Stream, compacted, random_stream
from tests.seeds import seeds_from

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "online-store.md"
NODE = [shutil.which("node") or "none here"]
FROM_PYTHON = """
require("zlib").zstdDecompressSync ??= (frame) =>
  require("child_process").execFileSync(%s, ["-c", %s], { input: frame, maxBuffer: 1 << 26 });
"""  # what an older Node than the page names lacks
DECOMPRESS = (
    "import sys; from featurectl.core import zstd; sys.stdout.buffer.write(zstd.decompress(sys.stdin.buffer.read()))"
)
OPS = ("count", "sum", "min", "max", "last")


def asked(features: Sequence[Feature]) -> list[dict[str, object]]:
    return [
        {"name": f.name, "op": f.op, "column": f.column, "window_us": f.window_us, "offset_us": f.offset_us}
        for f in features
    ]


def read_by_node(
    program: Path, stream: Stream, elements: Sequence[bytes], features: Sequence[Feature]
) -> tuple[int, Mapping[str, object] | None]:
    """The instant of an answer, and its values."""
    words = [layout_document(stream.layout), str(stream.asof_us), json.dumps(asked(features))]
    lines = "\n".join(element.hex() for element in elements)
    done = subprocess.run([NODE[0], program, *words], input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return int(found["asof"]), found["values"]


def check(feature: Feature, dtype: str, value: object, truth: object) -> None:
    """See that a value as JSON has it is ours: integers are texts, decimals without their point."""
    if truth is None or value is None:
        assert value is truth is None, (feature, value, truth)
    elif dtype == FLOAT64 and feature.op != "count":
        assert isinstance(truth, float)
        assert math.isclose(float(str(value)), truth, rel_tol=1e-9, abs_tol=1e-6) or math.isnan(truth), feature
    elif dtype == STRING and feature.op != "count":
        assert value == truth, feature
    else:
        digits = int(str(truth).replace(".", "")) if isinstance(truth, str | Decimal) else int(str(int(truth)))  # type: ignore[call-overload]
        assert int(str(value)) == digits, (feature, value, truth)


@pytest.mark.long
@pytest.mark.parametrize("node", NODE)
@pytest.mark.parametrize("seed", seeds_from(0, 40))
def test_another_language_reads_lists(seed: int, node: str, tmp_path: Path):
    if node == "none here":
        return
    program, compared = tmp_path / "read_list.js", 0
    older = FROM_PYTHON % (json.dumps(sys.executable), json.dumps(DECOMPRESS))
    program.write_text(older + re.findall(r"```js\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])
    stream, elements = random_stream(seed), list[bytes]()
    random, layout = stream.random, stream.layout
    features = [f for f in stream.view.features if f.op in OPS and f.window_us is not None]
    if layout.kind == "state":
        features = [*stream.view.features]
    for step in range(120):
        dice = random.random()
        if dice < 0.5:
            elements += [pack_record(stream.record(event), layout) for event in stream.claim()]
        elif dice < 0.8:
            stream.apply()
        elif dice < 0.85 and elements:
            applied = AppliedInstants(applied_us=stream.applied_us, asof_us=stream.asof_us, clock_us=stream.clock_us)
            elements = compacted(compact(elements, layout, applied))
        elif step > 20 and features and compared < 4:
            at_us, values = read_by_node(program, stream, elements, features)
            found = parse_list(elements, layout)
            assert at_us == max(stream.asof_us, found.head.asof_us)
            truth = ListReader(features, layout).answer(found, at_us).values
            assert (values is None) == (truth is None)
            compared += 1
            if values is None or truth is None:
                continue
            for feature in features:
                name = (feature.column or "") if layout.kind == "state" else feature.name
                dtype = "" if feature.column is None else layout.inputs[feature.column]
                check(feature, dtype, values[name], truth[feature.name])
    assert compared or not features
