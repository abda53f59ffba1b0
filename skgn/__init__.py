"""Multi-layer perceptrons for scikit-learn, trained by layer-wise Gauss-Newton."""

from skgn._version import __version__
from skgn.estimators.classifier import GaussNewtonMLPClassifier

__all__ = ["GaussNewtonMLPClassifier", "__version__"]
