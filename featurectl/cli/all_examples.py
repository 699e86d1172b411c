"""Examples of each command, which its help ends with. Names are those of the templates of `featurectl init`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

EXAMPLES: Final[Mapping[str, Sequence[str]]] = {
    "init": ("init flights", "init shop --template minimal", "init . --template empty"),
    "validate": ("validate", "validate views/carriers.yaml", "validate --no-data -o github"),
    "test": ("test", "test -o junit"),
    "plan": (
        "plan",
        "plan --env prod --detailed-exitcode",
        "plan --select tag:weather --explain",
        "plan --out plan.json",
    ),
    "apply": ("apply", "apply plan.json", "apply --auto-approve --allow-breaking carrier_arrivals"),
    "history": ("history", "history 3"),
    "materialize": (
        "materialize", "materialize carrier_arrivals --dry-run", "materialize --since 2013-12-01 --until 2014-01-01",
    ),
    "push": ("push", "push carrier_arrivals --full", "push --remove carrier_arrivals@1 --dry-run"),
    "training-set": (
        "training-set late_arrival --out train.parquet",
        "training-set --features routes:count_1d --spine a.csv --out t.csv",
    ),
    "train": ("train late_arrival", "train late_arrival --from-version 1"),
    "models list": ("models list", "models list --uses carrier_arrivals"),
    "models show": ("models show late_arrival", "models show late_arrival@1 --card"),
    "models diff": ("models diff late_arrival@1 late_arrival@2",),
    "models promote": ("models promote late_arrival", "models promote late_arrival@2"),
    "models rollback": ("models rollback late_arrival",),
    "models retire": ("models retire late_arrival@1 --dry-run", "models retire late_arrival@1 late_arrival@2"),
    "models prune": ("models prune --keep 3", "models prune late_arrival --dry-run"),
    "models import": (
        "models import late_arrival --file model.onnx",
        "models import late_arrival --mlflow mlruns/model",
    ),
    "models export": ("models export late_arrival --out exported",),
    "models canary start": ("models canary start late_arrival@2 --percent 5",),
    "models canary status": ("models canary status late_arrival",),
    "models canary promote": ("models canary promote late_arrival",),
    "models canary abort": ("models canary abort late_arrival",),
    "score": (
        "score late_arrival --out scores.parquet",
        "score late_arrival@2 --spine tomorrow.csv --out scores.csv",
    ),
    "get": (
        "get carrier_arrivals carrier=UA",
        "get carrier_arrivals:count_1d carrier=UA",
        "get carrier_arrivals carrier=UA --offline --as-of 2013-12-24",
    ),
    "serve": ("serve", "serve --port 8080 --workers 2"),
    "stream send": ("stream send swipes swipes.ndjson", "stream send swipes day.parquet --speed 60x"),
    "stream status": ("stream status", "stream status swipes -o json"),
    "stream run": ("stream run --once", "stream run swipes --workers 2 --port 9465"),
    "stream rebuild": ("stream rebuild recent", "stream rebuild recent@2"),
    "stream reset": ("stream reset swipes", "stream reset swipes --log-lost"),
    "list": ("list", "list features --select tag:weather"),
    "show": ("show carrier_arrivals", "show carrier_arrivals:count_1d --sample 10000"),
    "search": ("search delay",),
    "lineage": ("lineage flights", "lineage late_arrival -o mermaid"),
    "status": ("status", "status --watch 5s", "status --checks", "status -v"),
    "monitor check": ("monitor check", "monitor check --dry-run"),
    "monitor run": ("monitor run",),
    "monitor silence": ("monitor silence stale --for 2h --reason upgrade", "monitor silence --list"),
    "monitor test": ("monitor test ops", "monitor test pager --env prod"),
    "monitor drift": ("monitor drift late_arrival --since 2013-12-01",),
    "monitor export": ("monitor export --textfile featurectl.prom",),
    "monitor rules": ("monitor rules --out rules.yml",),
    "verify": ("verify late_arrival --sample 10%", "verify --store", "verify --store --all carrier_arrivals"),
    "why": ("why carrier_arrivals", "why carrier_arrivals carrier=UA"),
    "schema": ("schema", "schema --project --out project.schema.json"),
    "explain": ("explain FC102", "explain"),
    "clean": ("clean --dry-run", "clean --older-than 30d"),
    "unlock": ("unlock 4f1c2a",),
    "version": ("version", "version -o json"),
}  # fmt: skip
