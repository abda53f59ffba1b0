"""How many examples each property has: a share of those of the profile."""

from collections import Counter
from functools import wraps

from hypothesis import given, settings

#: Examples of each property, per cent of those that the profile has.
SHARES = {
    "test_fit_and_predict": 32,
    "test_equal_fits": 5,
    "test_pickle": 5,
    "test_sparse_equals_dense": 6,
    "test_weights_are_repetition": 8,
    "test_no_weight_is_no_sample": 7,
    "test_units_have_no_say": 5,
    "test_each_row_by_itself": 6,
    "test_stream": 10,
    "test_fits_after_each_other": 7,
    "test_interrupted": 5,
    "test_failed": 4,
}
assert sum(SHARES.values()) == 100

#: Examples and fits that were run.
COUNTS = Counter()


def examples(**strategies):
    """Let a test run on its share of the examples of the profile."""

    def decorate(test):
        number = settings.default.max_examples * SHARES[test.__name__] // 100

        @settings(max_examples=number)
        @given(**strategies)
        @wraps(test)
        def counted(**drawn):
            COUNTS["examples"] += 1
            test(**drawn)

        return counted

    return decorate
