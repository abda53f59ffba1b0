r"""The loop of a full-batch fit: propose, try, accept or reject.

One flat loop, in which a rejected trial is an iteration like any other: it changes
nothing but the damping, or the fraction of the step that is tried. Which trials count is
the matter of the control (:mod:`skgn.training.control`): all but the unguarded one accept
only a lower objective, so that it never rises. Where steps follow the quadratic model
they shrink towards a short one down the gradient as the damping grows; every point but a
stationary one is left in the end.
"""

from collections.abc import Callable
from time import perf_counter

import numpy as np

from skgn.model.evaluation import Evaluation
from skgn.model.objective import Objective
from skgn.steps.proposal import Proposal, Step
from skgn.training.control import Control
from skgn.training.damping import damping_floor
from skgn.training.evidence import Evidence, effective_parameters
from skgn.training.held_out import NONE, Validation
from skgn.training.history import History
from skgn.training.outcome import Interrupted, Observer, Outcome, tell
from skgn.training.stopping import Stopping
from skgn.typing import Array

#: Rounding of the objective, in units of machine epsilon times its value.
NOISE = 1e3


@np.errstate(over="ignore", invalid="ignore")  # trials that overflow are rejected
def train(
    objective: Objective,
    theta: Array,
    step: Step,
    control: Control,
    stopping: Stopping,
    validate: Callable[[Array], Validation] | None = None,
    observer: Observer | None = None,
    evidence: Evidence | None = None,
    start: float | None = None,
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
        Returns what validation samples say of given weights. With it, the weights of
        the lowest validation loss are returned.
    observer : callable, optional
        Is told of each iteration; may ask to stop.
    evidence : Evidence, optional
        Moves the penalty after each accepted iteration; the objective's is where it
        starts.
    start : float, optional
        When the fit began, by ``time.perf_counter``; by default now.

    Returns
    -------
    Outcome

    Raises
    ------
    FloatingPointError
        If the objective is not finite at the initial weights.
    Interrupted
        With what was reached, for a KeyboardInterrupt after the first accepted iteration.
    """
    start = perf_counter() if start is None else start
    here = objective.evaluate(theta)
    if not np.isfinite(here.value) or not np.all(np.isfinite(here.gradient)):
        raise FloatingPointError("the objective is not finite at the initial weights")
    walk = Walk(objective, step, control, stopping, validate, evidence, here, start)
    return walk.end(observer)


class Walk:
    """A fit on its way: where it is, what it has seen, and how it goes on."""

    def __init__(
        self,
        objective: Objective,
        step: Step,
        control: Control,
        stopping: Stopping,
        validate: Callable[[Array], Validation] | None,
        evidence: Evidence | None,
        here: Evaluation,
        start: float,
    ):
        self.objective, self.step, self.control = objective, step, control
        self.stopping, self.validate, self.evidence = stopping, validate, evidence
        self.best = self.here = here
        self.first_value = here.value
        self.start, self.history = start, History()
        self.resolution = float(np.finfo(here.theta.dtype).eps)
        self.validation = validate(here.theta) if validate else NONE
        self.gain_ratio, self.step_length = np.nan, 0.0
        self.best_row = 0
        self.recorded = here, 0, 0  # best, its row and the number of rows
        stopping.start(here.cost, self.validation.loss)

    def end(self, observer: Observer | None) -> Outcome:
        """Go on until there is a reason to end."""
        stopping = self.stopping
        try:
            self.iterate(observer)
        except KeyboardInterrupt as interrupt:
            self.best, self.best_row, rows = self.recorded
            del self.history.rows[rows:]
            if not any(self.history.column("step_length")):
                raise
            stopping.reason = "interrupted"
            raise Interrupted(self.outcome(), interrupt) from None
        if stopping.reason == "cost_threshold" and not self.validate:
            # unguarded, it may be higher than others
            self.best, self.best_row = self.here, len(self.history.rows) - 1
        elif not self.control.guarded and self.here.value > self.first_value:
            stopping.reason = self.control.reason
        return self.outcome()

    def iterate(self, observer: Observer | None) -> None:
        """Record, look for an end, and go on."""
        while True:
            self.record()
            tell(observer, self.history, self.stopping, self.outcome)
            self.look_for_an_end()
            if self.stopping.reason is not None:
                break
            self.go_on()

    def record(self) -> None:
        """Write a row of the history."""
        here = self.here
        self.history.append(
            objective=here.value,
            cost=here.cost,
            gradient_norm=float(np.linalg.norm(here.gradient)),
            damping=self.control.value,
            alpha=here.objective.alpha,
            gain_ratio=self.gain_ratio,
            step_length=self.step_length,
            seconds=perf_counter() - self.start,
            validation_loss=self.validation.loss,
            validation_score=self.validation.score,
        )
        self.recorded = self.best, self.best_row, len(self.history.rows)

    def look_for_an_end(self) -> None:
        """See whether nothing is left to be done, or no iteration."""
        stopping, here = self.stopping, self.here
        if stopping.reason is None and (
            here.value <= self.resolution**2 or not here.gradient.any()
        ):
            stopping.reason = "converged"
        if stopping.reason is None and len(self.history.rows) > stopping.max_iter:
            stopping.reason = "max_iter"

    def go_on(self) -> None:
        """Propose a step and try it."""
        here, control = self.here, self.control
        self.gain_ratio, self.step_length = np.nan, 0.0
        proposal = _propose(self.step, here, control)
        smallest = self.resolution * here.value
        if proposal is None:
            self.control = control.rejected()
        elif control.follows_model and proposal.predicted_decrease <= smallest:
            # too little to be seen in the objective: at its minimum, or over-damped
            if proposal.potential <= NOISE * smallest:
                self.stopping.reason = "converged"
            elif control.was_rejected:
                self.stopping.reason = control.reason
            else:
                self.control = control.accepted(1.0, floor=0.0)
        else:
            self.try_out(proposal)
        if self.control.was_rejected and self.control.exhausted:
            self.stopping.reason = self.control.reason

    def try_out(self, proposal: Proposal) -> None:
        """Evaluate a step; take it, or not."""
        here, theta = self.here, self.here.theta + proposal.step
        if self.control.guarded:
            trial = here.objective.evaluate(theta, here, proposal.Z1_dot)
        else:  # sums of steps of any size would lose the digits of Z_1
            trial = here.objective.evaluate(theta)
        decrease = here.value - trial.value
        if not np.all(np.isfinite(theta)):
            decrease = np.nan
        if proposal.predicted_decrease:
            self.gain_ratio = decrease / proposal.predicted_decrease
        if self.control.accepts(decrease, proposal.slope):
            self.accept(proposal, trial, decrease)
        else:
            self.objective.recycle(trial)
            self.control = self.control.rejected()

    def accept(self, proposal: Proposal, trial: Evaluation, decrease: float) -> None:
        """Take a step."""
        here, step = self.here, self.step
        potential = proposal.potential / here.value
        curvature = step.largest_curvature
        alpha, share = here.objective.alpha, self.control.floor_share
        floor = damping_floor(alpha, curvature, potential, share)
        self.control = self.control.accepted(self.gain_ratio, floor)
        self.step_length = float(np.linalg.norm(proposal.step))
        self.stopping.accepted(decrease / here.value, potential, trial.cost)
        step.accept(proposal)
        self.objective.recycle(here)
        here = trial
        if self.evidence:
            alpha = here.objective.alpha
            alpha = self.evidence.next(alpha, step.spectra, here.squared_norm, here.cost)
            here = here.with_alpha(alpha)
        if self.validate:
            self.validation = self.validate(here.theta)
            is_best = self.stopping.validated(self.validation.loss)
        else:
            # under a penalty that moves, the last point's is the one chosen
            is_best = bool(self.evidence) or here.value <= self.best.value
        self.here = here
        if is_best:
            self.best, self.best_row = here, len(self.history.rows)

    def outcome(self) -> Outcome:
        """Return the outcome if the fit ended here."""
        best, alpha = self.best, self.best.objective.alpha
        if len(self.history.rows) == 1:  # no step has asked for the curvature
            _propose(self.step, self.here, self.control)
        return Outcome(
            best.theta,
            best.value,
            best.cost,
            self.history.to_dict(),
            self.control.value,
            self.stopping.reason,
            alpha,
            effective_parameters(self.step.spectra, alpha),
            self.best_row,
            len(self.history.rows) - 1,
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
