"""Multi-layer perceptrons for scikit-learn, trained by layer-wise Gauss-Newton."""

from skgn._version import __version__
from skgn.estimators.classifier import GaussNewtonMLPClassifier
from skgn.estimators.ensemble import GaussNewtonMLPEnsembleClassifier

__all__ = [
    "GaussNewtonMLPClassifier",
    "GaussNewtonMLPEnsembleClassifier",
    "__version__",
]
