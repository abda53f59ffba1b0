"""What estimators of labels share."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags

from skgn.estimators.targets import (
    AnyTargets,
    ClassTargets,
    LabelTargets,
    is_multilabel,
    learned,
)
from skgn.typing import Array


class LabelEstimator(ClassifierMixin):
    """A classifier: of one label out of several, or of any number of them."""

    class_weight: Any
    _targets: AnyTargets
    _kinds_of_targets: ClassVar = (ClassTargets, LabelTargets)

    def _learned(self, y: Any, weights: Array) -> tuple[AnyTargets, Any, Array]:
        return learned(y, weights, self.class_weight)

    def _encoded_validation(
        self, targets: AnyTargets, y: Any, weights: Array
    ) -> tuple[Any, Array]:
        multilabel = is_multilabel(y)
        if multilabel != isinstance(targets, LabelTargets) or (
            multilabel and y.shape[1] != targets.n_outputs
        ):
            raise ValueError("y_val must be of the same kind and width as y.")
        return targets.encode(y, weights, "y_val", "y")

    @property
    def _multilabel(self) -> bool:
        return isinstance(self._targets, LabelTargets)

    def _two_sided(self, Z: Array) -> Array:
        """Return one column per class: -z and z for a single log-odds z."""
        if Z.shape[1] == 1 and not self._multilabel and len(self._targets.classes) == 2:
            return np.hstack([-Z, Z])
        return Z

    def __sklearn_tags__(self) -> Tags:
        """Declare what the estimator can take."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
