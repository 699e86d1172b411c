"""Swipes whose events a model predicts: a project with a trained model, and what is in the topic of its predictions."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.core.errors import FeaturectlError
from featurectl.predicting.factory import EventPredictors
from featurectl.streaming import run
from featurectl.streaming.run import RunOptions
from featurectl.streaming.session import stream_session
from featurectl.streaming.session.process_run import ProcessRun, StreamRunRequest
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.topics.base import TakeLimits
from featurectl.streaming.topics.faults import NoTopicError
from tests.prepared import make_once
from tests.streaming.session.running import Running, running_in
from tests.streaming.session.swipes import OBJECTS, Swipes

SCORES = "scores"
TRAINER = "trainer: {estimator: sklearn.tree.DecisionTreeClassifier, params: {max_depth: 3}}"
MODEL = f"""
models:
  - name: fraud
    spine: {{source: swipes, time: at, known_at: available_at, label: {{name: dear, expr: swipe % 3 = 1}}}}
    features:
      - {{view: spend, features: "*"}}
      - {{request: {{amount: float64}}}}
    on_events: {{to: {{topic: scores}}}}
    {TRAINER}
"""


@dataclass(kw_only=True)
class PredictedSwipes(Swipes):
    """The project of swipes, whose history is long enough to train a model on, and the model, trained."""

    objects: str = OBJECTS + MODEL
    further: tuple[str, str] = ("", "")  # columns of the history, and what all of its rows have in them

    def __post_init__(self) -> None:
        make_once(f"predicted swipes: {self.objects}", self.root, self._train)
        self.configure()

    def configure(self) -> None:
        """Write where the stores are, and that predictions are logged."""
        super().configure()
        file, end = self.root / "featurectl.yaml", f'streams: "{self.streams}"'
        file.write_text(file.read_text().replace(f"{end}}}", f"{end}, prediction_log: {{sample: 1}}}}", 1))

    def _train(self) -> None:
        """Make the project, on embedded stores, and train its model."""
        online, streams, self.online, self.streams = self.online, self.streams, Swipes.online, Swipes.streams
        super().__post_init__()
        self.online, self.streams = online, streams
        rng = random.Random(7)
        rows = [f"swipe,card,amount,fee,at{self.further[0]}"]
        for number in range(300):
            at = self.begun - timedelta(hours=2) + timedelta(seconds=20 * number)
            own = f"{1_000_000 + number},c{rng.randrange(5)},{100 if number % 3 == 0 else 5},1,{at.isoformat()}"
            rows.append(own + self.further[1])
        (self.root / "history.csv").write_text("\n".join(rows) + "\n")
        self.run("materialize", "-q")
        self.run("train", "fraud", "-q", *(["--allow-pickle"] if "allow_pickle" in self.objects else []))

    def run(self, *words: str) -> None:
        """Run a command, which has to end well."""
        assert main(["-C", str(self.root), *words]) == 0

    def predictions(self, topic: str = SCORES, url: str = "") -> list[Mapping[str, object]]:
        """The predictions that are in the topic, in any order."""
        return [json.loads(value) for value in messages(self.root, url or self.streams, topic)]

    def predicted(self, *topics: str, url: str = "") -> int:
        """How many events have predictions in some topics, `scores` where none is named; repeats count once."""
        found = [of for topic in topics or (SCORES,) for of in self.predictions(topic, url)]
        return len({of["prediction_id"] for of in found})


def of_rule(rule: str, objects: str = OBJECTS + MODEL) -> str:
    """The objects with a function of `rules` in the place of the tree."""
    estimator = f'"tests.streaming.session.rules:{rule}"'
    return objects.replace(TRAINER, f"allow_pickle: true\n    trainer: {{estimator: {estimator}}}")


def predicting(swipes: PredictedSwipes) -> AbstractContextManager[Running]:
    """Let streams be worked on and events be predicted; the end of it must be in order."""
    return running_in(swipes.workspace, predictors=EventPredictors(allow_pickle=True))


def run_once(swipes: PredictedSwipes, found: Running | None = None, *, allow_pickle: bool = True) -> Running:
    """Work until all that was sent is logged, and return what was said and done."""
    found = found or Running()
    with swipes.workspace() as workspace:
        request = StreamRunRequest(once=True, predictors=EventPredictors(allow_pickle=allow_pickle))
        found.reports = ProcessRun(workspace, request, found).run(found.stop)
    return found


def give_up_after(monkeypatch: pytest.MonkeyPatch, seconds: float, is_ready: Callable[[], bool]) -> None:
    """Have a run that is to end give up after so many seconds without predictions, counted from when it is ready."""
    of_run = run.__dict__["_prediction_problem"]

    def problem(*given: object, **named: object) -> FeaturectlError | None:
        why: FeaturectlError | None = of_run(*given, **named)
        return why if why is not None and is_ready() else None

    monkeypatch.setattr(run, "_prediction_problem", problem)
    monkeypatch.setattr(stream_session, "RunOptions", partial(RunOptions, patience_s=seconds))


def messages(root: Path, url: str, topic: str) -> Sequence[bytes]:
    """Return the values of all messages of a topic; there are none of one that is not there."""
    if url.startswith("sqlite:///"):
        url = f"sqlite:///{root / url.removeprefix('sqlite:///')}"
    with closing(open_topics(url)) as broker:
        try:
            ends = {number: of.end for number, of in broker.watermarks(topic).items()}
        except NoTopicError:
            return []
        found: list[bytes] = []
        with closing(broker.open_reader(topic)) as reader:
            for partition in ends:
                reader.seek(partition, 0)
            while any((reader.position(partition) or 0) < end for partition, end in ends.items()):
                for batch in reader.take(TakeLimits(timeout_s=0.01)).batches:
                    found += batch.values
    return found
