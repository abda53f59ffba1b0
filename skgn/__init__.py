"""Multi-layer perceptrons for scikit-learn, trained by layer-wise Gauss-Newton."""

from typing import TYPE_CHECKING, Any

from skgn._version import __version__
from skgn.estimators.classifier import GaussNewtonMLPClassifier

if TYPE_CHECKING:
    from skgn.estimators.ensemble import GaussNewtonMLPEnsembleClassifier

__all__ = [
    "GaussNewtonMLPClassifier",
    "GaussNewtonMLPEnsembleClassifier",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import the ensemble when it is asked for."""
    if name == "GaussNewtonMLPEnsembleClassifier":
        from skgn.estimators.ensemble import GaussNewtonMLPEnsembleClassifier

        return GaussNewtonMLPEnsembleClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, those not yet imported too."""
    return sorted({*globals(), *__all__})
