r"""Losses of real targets that act on each output alone.

With the prediction P and the target y of an output, and the deviance of scikit-learn's
linear models halved:

=========  ==========  =======================================  =====================
loss       P           loss ℓ                                   its derivative in Z
=========  ==========  =======================================  =====================
Poisson    exp(Z)      P - y + y (log y - Z)                    P - y
Gamma      exp(Z)      y / P - 1 - (log y - Z)                  1 - y / P
Absolute   Z           sqrt(r² + δ²) - δ,      r = Z - y        r / sqrt(r² + δ²)
=========  ==========  =======================================  =====================

**Curvature.** Poisson's is the exact one, ``P``, and so is Gamma's, ``y / P``; both are
positive. That of the smoothed absolute error, ``δ² / s³`` with ``s = sqrt(r² + δ²)``, all
but vanishes beyond δ, so that steps by it would go astray. In its place stands

    1 / s,

the curvature of the parabola that touches ℓ at r and -r and lies above it elsewhere
(``ℓ`` is a concave function of r²): iteratively reweighted least squares. A step that
lowers the parabola lowers the loss.

**No cancellation.** Near a perfect fit, with ``d = Z - log y``: Poisson's loss is
``y (expm1(d) - d)``, its derivative ``y expm1(d)``; Gamma's are ``expm1(-d) + d`` and
``-expm1(-d)``; the smoothed absolute error is ``r² / (s + δ)``.

**Dispersion.** The cost is a mean deviance per sample, halved, and the likelihood of one
sample ``exp(-ℓ / φ)`` up to a factor. With γ parameters determined by the data, φ is
estimated by ``2 m cost / (m - γ)`` (for the squared error the noise variance). For the
absolute error it is the scale of Laplace's distribution, ``m cost / (m - γ)``.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from skgn.model.losses import MEAN_FLOOR, ElementWise, Pointwise, r_squared
from skgn.typing import Array

#: δ, in the unit of the targets' scale.
SMOOTHING = 0.05

#: Means below this, in the unit of the mean target, count as this: its inverse has a
#: square.
LEAST_MEAN = 1e-150


class RealLoss(ElementWise, ABC):
    """A loss that is a sum over the outputs; targets of shape (m, K), real."""

    out_activation: ClassVar[str]
    #: The numerator of the dispersion's estimate.
    dispersion: ClassVar[float] = 2.0

    @abstractmethod
    def pointwise(self, Z: Array, targets: NDArray[Any]) -> Pointwise:
        """See :class:`skgn.model.losses.Loss`."""

    @abstractmethod
    def prediction(self, Z: Array) -> Array:
        """See :class:`skgn.model.losses.Loss`."""

    @abstractmethod
    def of_mean(self, P: Array, targets: NDArray[Any]) -> Pointwise:
        """Return the loss of predictions P, and its derivative in P.

        The curvature is that in Z, carried over: not negative.
        """

    @abstractmethod
    def mean_link(self, mean: Array) -> Array:
        """See :class:`skgn.model.losses.Loss`."""

    def working_residual(self, at: Pointwise) -> Array:
        """See :class:`skgn.model.losses.Loss`."""
        tiny = np.finfo(at.spread.dtype).tiny
        return at.residual / np.maximum(at.spread, tiny)

    def log_prediction(self, Z: Array) -> Array:
        """Not defined: a real target has no probability."""
        raise TypeError("real targets have no probabilities")

    def log_likelihood(self, Z: Array, targets: NDArray[Any]) -> Array:
        """Not defined either."""
        raise TypeError("real targets have no probabilities")

    def score(self, Z: Array, targets: NDArray[Any], weights: Array) -> float:
        """See :class:`skgn.model.losses.Loss`; R² of the predictions."""
        return r_squared(self.prediction(Z), targets, weights)


class Logarithmic(RealLoss, ABC):
    """A loss with a logarithmic link: ``P = exp(Z)``."""

    out_activation = "exponential"

    def prediction(self, Z: Array) -> Array:
        """See :class:`skgn.model.losses.Loss`."""
        return np.exp(Z)

    def of_mean(self, P: Array, targets: NDArray[Any]) -> Pointwise:
        """See :class:`RealLoss`; dP / dZ = P."""
        P = np.maximum(P, LEAST_MEAN)
        at = self.pointwise(np.log(P), targets)
        return Pointwise(at.loss, at.residual / P, at.spread / P**2)


class Poisson(Logarithmic):
    """Half the Poisson deviance with a logarithmic link; targets not negative."""

    def pointwise(self, Z: Array, targets: NDArray[Any]) -> Pointwise:
        """See :class:`skgn.model.losses.Loss`."""
        positive = targets > 0
        y = np.where(positive, targets, 1)
        d = Z - np.log(y)
        change = np.expm1(d)
        P = np.exp(Z)
        loss = np.where(positive, y * (change - d), P)
        return Pointwise(loss.sum(axis=1), np.where(positive, y * change, P), P)

    def mean_link(self, mean: Array) -> Array:
        """See :class:`skgn.model.losses.Loss`."""
        return np.log(np.maximum(mean, MEAN_FLOOR))


class Gamma(Logarithmic):
    """Half the gamma deviance with a logarithmic link; targets positive."""

    def pointwise(self, Z: Array, targets: NDArray[Any]) -> Pointwise:
        """See :class:`skgn.model.losses.Loss`."""
        d = Z - np.log(targets)
        change = np.expm1(-d)
        return Pointwise((change + d).sum(axis=1), -change, np.exp(-d))

    def mean_link(self, mean: Array) -> Array:
        """See :class:`skgn.model.losses.Loss`."""
        return np.log(mean)


@dataclass(frozen=True)
class Absolute(RealLoss):
    """Absolute error, smoothed within a distance δ; targets real.

    Attributes
    ----------
    smoothing : float
        δ.
    """

    smoothing: float = SMOOTHING
    out_activation: ClassVar[str] = "identity"
    dispersion: ClassVar[float] = 1.0

    def pointwise(self, Z: Array, targets: NDArray[Any]) -> Pointwise:
        """See :class:`skgn.model.losses.Loss`; the curvature is that of a parabola."""
        r = Z - targets
        delta = r.dtype.type(self.smoothing)
        s = np.sqrt(r * r + delta**2)
        return Pointwise((r * r / (s + delta)).sum(axis=1), r / s, 1 / s)

    def prediction(self, Z: Array) -> Array:
        """See :class:`skgn.model.losses.Loss`."""
        return Z

    def of_mean(self, P: Array, targets: NDArray[Any]) -> Pointwise:
        """See :class:`RealLoss`."""
        return self.pointwise(P, targets)

    def mean_link(self, mean: Array) -> Array:
        """See :class:`skgn.model.losses.Loss`."""
        return mean
