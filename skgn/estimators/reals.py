"""What estimators of real targets share."""

from typing import Any, ClassVar

from sklearn.base import RegressorMixin
from sklearn.utils import Tags

from skgn.estimators.real_targets import RealTargets, valid
from skgn.typing import Array


class RealEstimator(RegressorMixin):
    """A regressor: of one real target of each sample, or of several."""

    loss: str
    _targets: RealTargets
    _kinds_of_targets: ClassVar = (RealTargets,)

    def _form_of(self, y: Any, weights: Array) -> RealTargets:
        """Return the form of valid `y`, centred and scaled where the loss has no unit."""
        return RealTargets.learned(y, weights, self.loss, standardize=True)

    def _learned(self, y: Any, weights: Array) -> tuple[RealTargets, Any, Array]:
        y = valid(y)
        targets = self._form_of(y, weights)
        return targets, *targets.encode(y, weights)

    def _encoded_validation(
        self, targets: RealTargets, y: Any, weights: Array
    ) -> tuple[Any, Array]:
        return targets.encode(valid(y, "y_val"), weights, "y_val", "y")

    def __sklearn_tags__(self) -> Tags:
        """Declare what the estimator can take."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self.loss == "squared_error"
        tags.target_tags.single_output = True
        tags.target_tags.positive_only = self.loss == "gamma"
        return tags
