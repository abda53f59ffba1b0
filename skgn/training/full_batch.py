r"""The loop of a full-batch fit: propose, try, accept or reject.

One flat loop, in which a rejected trial is a turn like any other: it changes nothing but
the damping, or the fraction of the step that is tried. Which trials count is the matter
of the control (:mod:`skgn.training.control`): all but the unguarded one accept only a
lower objective, so that it never rises. Where steps follow the quadratic model they
shrink towards a short one down the gradient as the damping grows; every point but a
stationary one is left in the end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from skgn.model.objective import Evaluation, Objective
from skgn.steps.proposal import Proposal, Step
from skgn.training.control import Control
from skgn.training.damping import damping_floor
from skgn.training.evidence import Evidence, effective_parameters
from skgn.training.history import History
from skgn.training.stopping import Stopping
from skgn.typing import Array

#: Rounding of the objective, in units of machine epsilon times its value.
NOISE = 1e3


@dataclass(frozen=True)
class Outcome:
    """The end of a fit.

    Attributes
    ----------
    theta : ndarray
        Weights: those of the best validation log-loss; without validation, those that
        met the cost threshold, or those of the lowest objective, which are the last ones
        where it never rises.
    objective, cost : float
        At these weights.
    history : dict of ndarray of shape (turns + 1,)
        See :class:`skgn.training.history.History`.
    damping : float
        Damping that the next proposal would have used.
    reason : str
        Why the fit ended; see :mod:`skgn.training.stopping`.
    alpha : float
        Penalty of `objective`.
    effective_parameters : float
        Number of well-determined parameters, by the curvature last seen; NaN where the
        step knows none.
    """

    theta: Array
    objective: float
    cost: float
    history: dict[str, Array]
    damping: float
    reason: str
    alpha: float
    effective_parameters: float

    @classmethod
    def nothing_to_fit(cls, damping: float, alpha: float, reason: str) -> "Outcome":
        """Return the outcome of a fit without turns, at cost zero."""
        history = History()
        values = {"gradient_norm": 0.0, "damping": damping, "alpha": alpha}
        history.append(objective=0.0, cost=0.0, **values)
        table = history.to_dict()
        return cls(np.zeros(0), 0.0, 0.0, table, damping, reason, alpha, 0.0)


@np.errstate(over="ignore", invalid="ignore")  # trials that overflow are rejected
def train(
    objective: Objective,
    theta: Array,
    step: Step,
    control: Control,
    stopping: Stopping,
    validate: Callable[[Array], float] | None = None,
    report: Callable[[str], None] | None = None,
    evidence: Evidence | None = None,
) -> Outcome:
    """Minimise `objective` from `theta`.

    Parameters
    ----------
    objective : Objective
    theta : ndarray
        Initial weights, flat.
    step : Step
        How to propose a change of the weights.
    control : Control
        Initial damping and fraction; the rule by which trials are accepted.
    stopping : Stopping
    validate : callable, optional
        Returns the validation log-loss at given weights. With it, the weights of its
        minimum are returned.
    report : callable, optional
        Called with a printable line after each turn.
    evidence : Evidence, optional
        Moves the penalty after each accepted turn; the objective's is where it starts.

    Returns
    -------
    Outcome

    Raises
    ------
    FloatingPointError
        If the objective is not finite at the initial weights.
    """
    start = perf_counter()
    history = History()
    here = objective.evaluate(theta)
    if not np.isfinite(here.value) or not np.all(np.isfinite(here.gradient)):
        raise FloatingPointError("the objective is not finite at the initial weights")
    resolution = float(np.finfo(theta.dtype).eps)
    validation = validate(here.theta) if validate else np.nan
    first = best = here
    gain_ratio, step_length = np.nan, 0.0
    stopping.start(here.cost, validation)

    while True:
        history.append(
            objective=here.value,
            cost=here.cost,
            gradient_norm=float(np.linalg.norm(here.gradient)),
            damping=control.value,
            alpha=here.objective.alpha,
            gain_ratio=gain_ratio,
            step_length=step_length,
            seconds=perf_counter() - start,
            validation=validation,
        )
        if report:
            report(history.line())
        if stopping.reason is None and (
            here.value <= resolution**2 or not here.gradient.any()
        ):
            stopping.reason = "converged"
        if stopping.reason is None and len(history.rows) > stopping.max_iter:
            stopping.reason = "max_iter"
        if stopping.reason is not None:
            break

        gain_ratio, step_length = np.nan, 0.0
        proposal = _propose(step, here, control)
        if proposal is None:
            control = control.rejected()
        elif (
            control.follows_model
            and proposal.predicted_decrease <= resolution * here.value
        ):
            # too little to be seen in the objective: at its minimum, or over-damped
            if proposal.potential <= NOISE * resolution * here.value:
                stopping.reason = "converged"
            elif control.was_rejected:
                stopping.reason = control.reason
            else:
                control = control.accepted(1.0, floor=0.0)
        else:
            theta = here.theta + proposal.step
            if control.guarded:
                trial = here.objective.evaluate(theta, here, proposal.Z1_dot)
            else:  # sums of steps of any size would lose the digits of Z_1
                trial = here.objective.evaluate(theta)
            decrease = here.value - trial.value
            if not np.all(np.isfinite(theta)):
                decrease = np.nan
            if proposal.predicted_decrease:
                gain_ratio = decrease / proposal.predicted_decrease
            if control.accepts(decrease, proposal.slope):
                potential = proposal.potential / here.value
                curvature = step.largest_curvature
                floor = damping_floor(here.objective.alpha, curvature, potential)
                control = control.accepted(gain_ratio, floor)
                step_length = float(np.linalg.norm(proposal.step))
                stopping.accepted(decrease / here.value, potential, trial.cost)
                step.accept(proposal)
                objective.recycle(here)
                here = trial
                if evidence:
                    alpha = evidence.next(
                        here.objective.alpha, step.spectra, here.squared_norm, here.cost
                    )
                    here = here.with_alpha(alpha)
                if validate:
                    validation = validate(here.theta)
                    is_best = stopping.validated(validation)
                else:
                    # under a penalty that moves, the last point's is the one chosen
                    is_best = bool(evidence) or here.value <= best.value
                if is_best:
                    best = here
            else:
                objective.recycle(trial)
                control = control.rejected()
        if control.was_rejected and control.exhausted:
            stopping.reason = control.reason

    reason = stopping.reason
    if reason == "cost_threshold" and not validate:
        best = here  # unguarded, its objective may be higher than that of others
    elif not control.guarded and here.value > first.value:
        reason = control.reason
    alpha = best.objective.alpha
    return Outcome(
        best.theta,
        best.value,
        best.cost,
        history.to_dict(),
        control.value,
        reason,
        alpha,
        effective_parameters(step.spectra, alpha),
    )


def _propose(step: Step, here: Evaluation, control: Control) -> Proposal | None:
    """Return a finite proposal to be tried, or None if there is none."""
    try:
        proposal = step.propose(here, control.value).scaled(control.fraction)
    except np.linalg.LinAlgError:
        return None
    if not np.all(np.isfinite((proposal.slope, proposal.curvature))):
        return None
    return None if control.follows_model and proposal.slope >= 0 else proposal
