"""Type names shared by the numerical modules."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: A floating-point array, float32 or float64.
Array = NDArray[np.floating[Any]]
