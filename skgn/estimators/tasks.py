"""What scikit-learn's callbacks are told of a fit: a tree of tasks.

    fit
    ├── search         its points, in the search for alpha; how many is not known
    ├── validation     the same as below, with the validation samples, if some are given
    └── iterations     or epochs: as many as `max_iter` at most

The tasks at the leaves hold the samples, the sample weights, and the network as if the
fit ended there. Of each iteration, that with the validation samples comes first. A
callback that asks for the end of a search ends the search; of an iteration, the fit.

An ensemble has the networks that were judged in "search", and those that were fitted in
"networks".
"""

from collections.abc import Callable
from typing import Any

from skgn.fitting.fitted import Fitted
from skgn.training.outcome import Progress

#: Names of the tasks, which callbacks may ask for.
SEARCH, VALIDATION, ITERATIONS, NETWORKS = (
    "search",
    "validation",
    "iterations",
    "networks",
)

#: Attributes of a fitted estimator.
Attributes = dict[str, Any]


class Tasks:
    """The tasks of a fit.

    Parameters
    ----------
    estimator : estimator
    X, y, sample_weight
        As the user gave them to `fit`.
    validation : tuple
        X_val, y_val and sample_weight_val; None where they were not given.
    parts : int
        Of the fit: children of the task "fit".
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: Any,
        parts: int,
    ):
        self.estimator = estimator
        self.train = _samples(X, y, sample_weight)
        self.held_out = None if validation[0] is None else _samples(*validation)
        parts += self.held_out is not None
        self.root = estimator._init_callback_context(max_subtasks=parts)
        self.open: dict[str, Any] = {}  # the parts that have begun, and not ended
        self.root.call_on_fit_task_begin(estimator=estimator, **self.train)

    @classmethod
    def of(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation: tuple[Any, Any, Any] = (None, None, None),
        parts: int = 1,
    ) -> "Tasks | None":
        """Begin the tasks of a fit; None where nobody wants to know."""
        if not {"_skl_callbacks", "_parent_callback_ctx"} & estimator.__dict__.keys():
            return None
        return cls(estimator, X, y, sample_weight, validation, parts)

    def begin(self, name: str, most: int | None) -> None:
        """Begin a part, if it has not; it has `most` tasks, or nobody knows how many."""
        if name not in self.open:
            part = self.root.subcontext(name, max_subtasks=most)
            self.open[name] = part.call_on_fit_task_begin(estimator=self.estimator)

    def end(self, name: str) -> None:
        """End a part that has begun."""
        if name in self.open:
            self.open.pop(name).call_on_fit_task_end(estimator=self.estimator)

    def task(
        self,
        part: str,
        name: str,
        samples: dict[str, Any] | None = None,
        attributes: Callable[[], Attributes] | None = None,
    ) -> bool:
        """Tell of a task of a part that is done; return whether that is to end."""
        own = {"estimator": self.estimator, **(samples or {})}
        here = self.open[part].subcontext(name).call_on_fit_task_begin(**own)
        return here.call_on_fit_task_end(**own, reconstruction_attributes=attributes)

    def observe(
        self, progress: Progress, attributes: Callable[[], Attributes] | None
    ) -> bool:
        """Tell of an iteration, an epoch, or a point of the search."""
        stage, number, most = progress.stage, progress.number, progress.most
        if stage == "search":
            return self.task(SEARCH, "alpha")
        self.end(SEARCH)
        if stage != "fit":
            return False
        if self.held_out is not None:
            self.begin(VALIDATION, most)
        self.begin(ITERATIONS, most)
        if number == 0:
            return False
        stop = False
        if self.held_out is not None:
            stop = self.task(VALIDATION, VALIDATION, self.held_out, attributes)
        # in any case: the callbacks count the iterations
        return self.task(ITERATIONS, "iteration", self.train, attributes) or stop

    def done(self, attributes: Attributes) -> None:
        """Tell that the fit is done."""
        for name in list(self.open):
            self.end(name)
        self.root.call_on_fit_task_end(
            estimator=self.estimator, **self.train, reconstruction_attributes=attributes
        )


def _samples(X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    """Return samples as callbacks take them."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"X": X, "y": y, "metadata": metadata}


def together(
    tasks: Tasks | None,
    observer: Callable[..., bool | None] | None,
    attributes: Callable[[Fitted], Attributes],
) -> Callable[[Progress, Callable[[], Fitted] | None], bool | None] | None:
    """Return an observer that tells another one, and the callbacks."""
    if tasks is None:
        return observer

    def tell(progress: Progress, fitted: Callable[[], Fitted] | None) -> bool:
        if observer is not None:
            observer(progress, fitted)
        own = None if fitted is None else lambda: attributes(fitted())
        return tasks.observe(progress, own)

    return tell
