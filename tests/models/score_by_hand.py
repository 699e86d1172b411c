"""Functions that score by themselves, for the tests of `package.module:function`."""

import time

import numpy as np


def first_column(matrix):
    return np.nan_to_num(matrix[:, 0])


def slowly(matrix):
    time.sleep(0.005)
    return first_column(matrix)


def whole_table(matrix):
    return matrix


NUMBER = 3
