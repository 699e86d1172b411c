"""LightGBM as the flights use it, but hard to serve: late, or failing. Neither shows in training or in a gate."""

import itertools
import time

from lightgbm import LGBMClassifier

SERVED = 64  # rows; a request of the clients brings fewer, training and golden rows more at a time
LATE_S = 0.4
ONE_OF = 10


class Late:
    """Scores as LightGBM does, and takes so long for it that nobody would wait."""

    def __init__(self, **params: object) -> None:
        self.model = LGBMClassifier(**params)

    def fit(self, matrix, label) -> None:
        """Fit LightGBM."""
        self.model.fit(matrix, label)
        self.classes_ = self.model.classes_

    def predict(self, matrix):
        """Return classes."""
        return self.model.predict(matrix)

    def predict_proba(self, matrix):
        """Return probabilities, late when it serves."""
        if len(matrix) < SERVED:
            self.serve()
        return self.model.predict_proba(matrix)

    def serve(self) -> None:
        """Be late."""
        time.sleep(LATE_S)


class Failing(Late):
    """Scores as LightGBM does, and has no score for one request in ten."""

    def serve(self) -> None:
        """Fail now and then."""
        if next(_asked) % ONE_OF == 0:
            raise ValueError("out of order")


_asked = itertools.count()
