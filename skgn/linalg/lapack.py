"""BLAS and LAPACK routines by precision, looked up once."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from scipy.linalg import get_blas_funcs, get_lapack_funcs


@cache
def blas(name: str, dtype: np.dtype[Any]) -> Callable[..., Any]:
    """Return a BLAS routine."""
    return get_blas_funcs((name,), dtype=dtype)[0]


@cache
def lapack(name: str, dtype: np.dtype[Any]) -> Callable[..., Any]:
    """Return a LAPACK routine."""
    return get_lapack_funcs((name,), dtype=dtype)[0]
