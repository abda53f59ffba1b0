"""Multi-layer perceptrons for scikit-learn, trained by layer-wise Gauss-Newton."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from skgn._version import __version__
from skgn.estimators.classifier import GaussNewtonMLPClassifier

if TYPE_CHECKING:
    from skgn.displays import (
        AlphaPathDisplay,
        EncodingDisplay,
        LossCurveDisplay,
        MembersDisplay,
    )
    from skgn.estimators.ensemble_classifier import GaussNewtonMLPEnsembleClassifier
    from skgn.estimators.ensemble_regressor import GaussNewtonMLPEnsembleRegressor
    from skgn.estimators.regressor import GaussNewtonMLPRegressor

__all__ = [
    "AlphaPathDisplay",
    "EncodingDisplay",
    "GaussNewtonMLPClassifier",
    "GaussNewtonMLPEnsembleClassifier",
    "GaussNewtonMLPEnsembleRegressor",
    "GaussNewtonMLPRegressor",
    "LossCurveDisplay",
    "MembersDisplay",
    "__version__",
]

#: What is imported when it is asked for: few programs need it.
LATER = {
    "AlphaPathDisplay": "skgn.displays",
    "EncodingDisplay": "skgn.displays",
    "GaussNewtonMLPEnsembleClassifier": "skgn.estimators.ensemble_classifier",
    "GaussNewtonMLPEnsembleRegressor": "skgn.estimators.ensemble_regressor",
    "GaussNewtonMLPRegressor": "skgn.estimators.regressor",
    "LossCurveDisplay": "skgn.displays",
    "MembersDisplay": "skgn.displays",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is asked for."""
    if name in LATER:
        return getattr(import_module(LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, those not yet imported too."""
    return sorted({*globals(), *__all__})
