"""The only file that imports private or version-dependent names of scikit-learn."""

from typing import Any

import numpy as np
from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, validate_data

from skgn.typing import Array

__all__ = [
    "Interval",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
    "validate_data",
]


def check_sample_weight(sample_weight: Any, X: Any, name: str = "sample_weight") -> Array:
    """Return valid row weights, float64 of shape (m,), not negative and not all zero."""
    try:
        weights = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
    except (ValueError, TypeError) as error:
        if name == "sample_weight":
            raise
        raise type(error)(f"{name}: {error}") from error
    if not weights.any():
        # from version 1.9 on, scikit-learn has said so above
        raise ValueError(f"{name} must contain at least one non-zero number.")
    return weights
