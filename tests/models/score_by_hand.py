"""Functions that score by themselves, for the tests of `package.module:function`."""

import numpy as np


def first_column(matrix):
    return np.nan_to_num(matrix[:, 0])


def whole_table(matrix):
    return matrix


NUMBER = 3
