"""Multi-layer perceptrons for scikit-learn, trained by layer-wise Gauss-Newton."""

from skgn._classifier import GaussNewtonMLPClassifier
from skgn._version import __version__

__all__ = ["GaussNewtonMLPClassifier", "__version__"]
