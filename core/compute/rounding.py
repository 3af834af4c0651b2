"""What rounding may do to products and sums in float32 and float16: bounds that hold on every device, in any order of summation.

Higham: Accuracy and Stability of Numerical Algorithms (2002), chapter 3.
"""

from __future__ import annotations

import math

# Unit roundoffs.
U32, U16 = 2.0**-24, 2.0**-11
# What products below float32's normal range may lose, a term, even where a device rounds them to zero.
LOST = 2.0**-125
# What a row of norm 16 to 32 in float16 loses of its norm, times the root of its dimensions, where entries are subnormal numbers.
ROUNDED16 = 2.0**-25 / 16
# What a device may lose of a float16 product of norms 16 or more, times the root of d, by taking subnormal numbers for zero.
LOST16 = 2.0**-14 / 16

# A row that rounding moves by more than this share of its norm, since it is little beside the shift, has no cosine.
MOST_LOST = 1e-6


def chain_error(dims: int) -> float:
    """What a float32 sum of so many terms is off by at most, in any order, as a share of the sum of their magnitudes."""
    return 1.01 * (dims + 12) * U32


def half_error(dims: int) -> float:
    """What a float16 product of queries and rows, both scaled to a norm of 16..32, is off by at most, as a share of their norms.

    Each factor is rounded, the result is rounded, the sum taken in float32, and entries too small for float16 lost.
    """
    return 1.01 * (3 * U16 + (dims + 8) * U32 + 2 * math.sqrt(dims) * LOST16)


def pair_error(terms: int) -> float:
    """What a sum in two float32 is off by at most, as a share of the sum of its terms' magnitudes.

    A lane adds so many `terms`, each with what it rounded away, then five shuffles add the lanes (resources/kernels/refine.inc):
    each of these additions may lose a unit roundoff of the second part, which is at most terms + 8 of them of the first.
    """
    return 1.01 * 2.0 * (terms + 6) * (terms + 12) * U32**2


def half_share(dims: int) -> float:
    """What entries that are subnormal numbers in float16 may move a row by at most, for each unit of its norm."""
    return math.sqrt(dims) * ROUNDED16
