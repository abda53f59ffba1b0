"""When a fit ends, and why.

The reasons, in the order in which they are looked for after each iteration or epoch:

``"cost_threshold"``
    The training cost without penalty has fallen to the threshold.
``"validation"``
    The validation log-loss has not reached a new minimum for `n_iter_no_change` accepted
    iterations or epochs.
``"converged"``
    Over PATIENCE accepted iterations in a row, the relative decrease of the objective and
    its scaled gradient norm were at most `tol`; or the gradient, or the objective, is
    zero to rounding. The scaled gradient norm is half the squared norm of the gradient in
    the metric of the inverse damped Gauss-Newton matrix, on the plane the step was chosen
    from, relative to the objective: the relative decrease that the model promises, at a
    damping of at most the largest curvature, since beyond that any step is short. An
    objective below the square of the fit's machine epsilon is zero to rounding.
``"damping"``
    The damping has reached its ceiling: no step of any size lowers the objective.
``"line_search"``
    No fraction of the step that was proposed lowers the objective.
``"diverged"``
    Unguarded steps have led to an objective that is not finite; or, whatever else ended
    the fit, to one above the first.
``"schedule"``
    Mini-batches: as many epochs as the schedule has, the way such a fit is to end.
``"max_iter"``
    As many iterations as allowed.
``"callback"``
    An observer has asked for it. What was found before it asked goes first.
``"interrupted"``
    A KeyboardInterrupt came after the first accepted iteration, or epoch.
``"single_class"``
    The rows hold one class only; nothing was to be fitted.
"""

from dataclasses import dataclass

import numpy as np

#: Accepted iterations in a row that must be small for convergence.
PATIENCE = 3


@dataclass
class Stopping:
    """Watch a fit and name the reason to end it.

    Parameters
    ----------
    max_iter : int
    tol : float
    cost_threshold : float or None
    n_iter_no_change : int or inf
        Accepted iterations without a new validation minimum.
    """

    max_iter: int
    tol: float
    cost_threshold: float | None = None
    n_iter_no_change: float = 5
    reason: str | None = None
    _small_in_a_row: int = 0
    _best_validation: float = np.inf
    _since_best: int = 0

    def start(self, cost: float, validation: float) -> None:
        """Look at the point of departure."""
        self._best_validation = validation
        self.cost_reached(cost)

    def accepted(self, decrease: float, potential: float, cost: float) -> None:
        """Look at an accepted iteration.

        Parameters
        ----------
        decrease, potential : float
            Of the objective, relative to it: what the iteration has brought, and what it
            could have (see :class:`skgn.steps.proposal.Proposal`).
        cost : float
            Training cost without penalty.
        """
        small = max(abs(decrease), potential) <= self.tol
        self._small_in_a_row = self._small_in_a_row + 1 if small else 0
        self.cost_reached(cost)
        if self.reason is None and self._small_in_a_row >= PATIENCE:
            self.reason = "converged"

    def asked(self) -> None:
        """Take note that an observer asks to stop."""
        if self.reason is None:
            self.reason = "callback"

    def cost_reached(self, cost: float) -> None:
        """Look at the training cost, without penalty, of an epoch."""
        if self.cost_threshold is not None and cost <= self.cost_threshold:
            self.reason = "cost_threshold"

    def validated(self, validation: float) -> bool:
        """Look at the validation log-loss of an iteration; return if it is best."""
        best = validation < self._best_validation
        if best:
            self._best_validation = validation
        self._since_best = 0 if best else self._since_best + 1
        if self._since_best >= self.n_iter_no_change and self.reason is None:
            self.reason = "validation"
        return best
