"""The only file that imports private or version-dependent names of scikit-learn."""

from typing import Any

import numpy as np
from sklearn.base import _fit_context as fit_context
from sklearn.utils._optional_dependencies import check_matplotlib_support
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight
from sklearn.utils.validation import validate_data as _validate_data

from skgn.typing import Array

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupport

    has_callbacks = True
except ImportError:  # before version 1.9
    has_callbacks = False

    class CallbackSupport:  # type: ignore[no-redef]
        """In the place of what there is not yet."""


__all__ = [
    "CallbackSupport",
    "Interval",
    "Options",
    "StrOptions",
    "check_matplotlib_support",
    "check_sample_weight",
    "fit_context",
    "has_callbacks",
    "validate_data",
]


def validate_data(estimator: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Validate data, without warnings of sums of the largest numbers there are."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _validate_data(estimator, *args, **kwargs)


def check_sample_weight(sample_weight: Any, X: Any, name: str = "sample_weight") -> Array:
    """Return valid row weights, float64 of shape (m,), not negative and not all zero."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
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
