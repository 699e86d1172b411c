"""Functions that score by themselves, for the tests of `package.module:function`."""

import time

import numpy as np


def first_column(matrix: np.ndarray) -> np.ndarray:
    return np.nan_to_num(matrix[:, 0])


def slowly(matrix: np.ndarray) -> np.ndarray:
    time.sleep(0.005)
    return first_column(matrix)


def whole_table(matrix: np.ndarray) -> np.ndarray:
    return matrix


NUMBER = 3
