"""The text of the page, and its vocabulary.

Samples, not rows; features, not columns; iterations of the full batch, epochs of
mini-batches, not passes. The raw results keep their older names: `plain` translates them
where they are shown, in tables, headings and figures.
"""

import re

from scaling import LONGEST, PASSES

#: Patterns of older names, each with what is shown instead, in this order.
VOCABULARY = (
    ("^skgn s per pass$", "skgn, s per epoch or iteration"),
    ("^adam s per pass$", "adam, s per epoch"),
    ("^skgn s, default fit$", "skgn, default fit, s"),
    ("^passes$", "default fit, epochs or iterations"),
    ("^skgn by$", "skgn uses"),
    ("^all rows$", "the full batch"),
    ("^adam s to it$", "adam, s to it"),
    ("^at most$", "skgn / adam, largest"),
    ("^(skgn|adam|lbfgs) s$", r"\1, s"),
    ("better log-loss on", "lower log-loss on"),
    (r"([\d.]+) x in the geometric mean", r"\1 is the geometric mean of the ratios"),
    (r"total time ([\d.]+) x smaller", r"adam's total time / skgn's is \1"),
    (r"\blbfgs\b", "L-BFGS"),
    (r"\bpasses\b", "epochs or iterations"),
    (r"\bpass\b", "epoch or iteration"),
    (r"\brow\b", "sample"),
    (r"\brows\b", "samples"),
    (r"\bcolumn\b", "feature"),
    (r"\bcolumns\b", "features"),
)


def plain(text):
    """Return a name of the raw results in the words of the page."""
    for pattern, shown in VOCABULARY:
        text = re.sub(pattern, shown, text)
    return text


INTRODUCTION = """# Benchmarks

`python examples/benchmarks/run.py` takes all measurements and writes this page. The raw
numbers are in `examples/benchmarks/results.json`. Times depend on the machine: compare
them only within a table.
"""

SUMMARY = """## Summary

- A *win* is a data set on which skgn is better than the peer. A *loss* is one on which
  skgn is worse. Each loss is named, with its number in brackets. Equal numbers are a
  *tie*. Images with another network count as another data set.
- The number of a data set is the median over repeats. Each repeat has its own split and
  seed. The *median* in a table is the one over all its data sets.
- Times are processor times on one thread. Where the text says wall time, they are that.
"""

DEFAULT_FITS = """### Default fits

Each method fits with its defaults, on the same splits. The scores are those of the test
samples. torch AdamW has no default fit: it gets 20 epochs, at a learning rate chosen for
each data set. Its time does not include the search for that rate. Some peers were not
measured on images. [Appendix A](#appendix-a-default-fits-on-each-data-set) has the
numbers of each data set. Geometric means are over all data sets of the line.
"""

DEFAULT_TABLES = {
    "times": "**Time**: peer's time / skgn's time. Above 1, skgn is faster.",
    "losses": "**Test log-loss**: skgn's / peer's. Below 1, skgn is better.",
    "accuracies": "**Test accuracy**: skgn's − peer's. Above 0, skgn is better.",
}

OWN_TARGETS = """### Time to the peer's own best

The target is the smallest validation log-loss of the peer, times 1.01. For accuracy it
is the best validation accuracy of adam, less 0.001. The ratio is the peer's time divided
by skgn's time. Above 1, skgn is faster. "skgn never" means that skgn does not reach the
target in most of the repeats. This counts as a loss, and in the median as the smallest
ratio. The geometric mean is over the data sets on which both methods reach the target.
[Appendix B](#appendix-b-time-to-a-target-on-each-data-set) has each data set.
"""

FIXED = """**skgn with `alpha=1e-4` and `encoding=None`**: it searches for nothing, and
has the features that the peers have. It has the same penalty on all data."""

AUTO = """**skgn with its defaults**. The search for penalty and encoding is part of each
fit and of its time."""

NOT_MEASURED = "\nThese data sets were not measured with it: {names}."

THREADS_IN_BRIEF = """### Nothing set against one thread

skgn chooses its number of threads itself. Here, this is compared with a limit of one
thread, in wall time on two cores. The ratio is the time with nothing set divided by the
time on one thread. Below 1, nothing set is faster. [Threads](#threads) has the times.
"""

FIGURES = "## Figures"

RATIOS = """Each dot is a data set, with skgn at `alpha=1e-4` and `encoding=None`.
[Appendix B](#appendix-b-time-to-a-target-on-each-data-set) has the numbers.
"""

CURVES = """These are the curves of the first repeat. adam and L-BFGS show the best
log-loss so far. Each mark of torch AdamW and skgn is a complete fit, of more and more
epochs or iterations. Each other method has one mark: its default fit.
"""

COSTS = """[Appendix E](#appendix-e-cost-against-samples-and-features) has the numbers.
"""

ADAM_TARGETS = """## Appendix C: Every method to adam's best

The target is adam's for all methods. adam, L-BFGS, torch AdamW and skgn stop when they
reach it. Each other method has one complete fit with its defaults, which reaches the
target or does not. skgn has `alpha=1e-4` and `encoding=None`; its other fits count as
peers. "Peer never"
means that the peer does not reach the target in most of the repeats. This counts as a
win, and in the median as the largest ratio. A line leaves out the data sets on which
neither method reaches the target.
"""

METHOD = """## How the comparison is made

- **Data.** Each repeat splits the samples by class into 60 % training, 20 % validation
  and 20 % test samples. Some data sets have test samples of their own. There, the others
  are split 80 to 20. `electricity` is shuffled like the others. `generated` is
  `make_classification` with 50,000 samples, 100 features (30 informative, 2 redundant),
  10 classes of 4 clusters, `flip_y=0.02`, `class_sep=2` and `random_state=0` in all
  repeats. All methods get float64. For `generated` and the images they get float32.
- **Features.** skgn gets raw features. It standardises them itself, within its time.
  Trees get raw features. The other methods get features from `StandardScaler`. Its time
  is added to theirs, in default fits too.
- **Networks.** They have one hidden layer of 100 units, unless the name says otherwise.
  The peers use ReLU and skgn uses leaky ReLU. These are the defaults.
- **adam and L-BFGS.** These are `MLPClassifier`. We look at the network after each epoch
  or iteration. The clock stands still meanwhile. The time to a target is the time of the
  first one that meets it, as if the method had known to stop there. adam ends after 200
  epochs (100 above 20,000 samples, 30 on the images). L-BFGS ends after 300 iterations
  (150 on the images). Both end earlier if 30 in a row bring no better log-loss (15 on
  `generated`; on the images 5 for adam and 15 for L-BFGS).
- **torch AdamW and skgn.** Their schedules are planned for a number of epochs. So we make
  complete fits of 1, 2, 3, 5, 8, 12, 20, 30, 45, 70, 100, 140 and 200 epochs (up to 45 on
  `generated`, up to 20 on the images). The time to a target is that of the fastest fit
  that meets it. The search ends when two longer fits in a row are better in neither loss
  nor accuracy. For skgn it also ends when all targets are met. The other fits of the
  search are not counted, just as adam's epochs past its best are not.
- **torch AdamW** is a plain loop. It has batches of 256 samples, 5 % warm-up and linear
  decay to zero. Its learning rate is chosen for each data set on the validation samples
  of the first repeat. There are five rates to begin with. While the rate at either end is
  the best, one more is tried beyond it. The time of this search is not counted.
- **skgn** has the same settings on all data. Fits to a target have `alpha=1e-4` and
  `encoding=None`, where no line says that they have the defaults, and `max_iter` is their
  number of epochs. All else is at the defaults. Default fits have all defaults.
  `batch_size="auto"` takes the full batch below 3,000 training samples, and where there
  are fewer than two samples per feature. There, epochs are iterations. The defaults were
  chosen with several of these data sets at hand, but once for all of them.
- **HistGradientBoosting, LogisticRegression and adam with early stopping** have no such
  curve. Where they are compared by a target, it is by their default fit.
  `LogisticRegression` has `max_iter=1000`.
"""

APPENDIX_A = """## Appendix A: Default fits on each data set

On the images, adam, adam with early stopping and LogisticRegression were fitted once.
An empty cell was not measured.
"""

APPENDIX_B = """## Appendix B: Time to a target on each data set

Ratios are the peer's median time divided by skgn's median time.
"""

APPENDIX_D = "## Appendix D: Learning rates, and fits to a test accuracy"

PROBE = """The peers and skgn may be measured at different times. A fixed short fit of
adam was made beside both. Beside skgn it took {middle:.2f} times as long as beside the
peers ({least:.2f} to {most:.2f} by data set). The ratios are not corrected for it.
"""

AIM = """skgn is fitted on training and validation samples, with more and more epochs,
until it reaches an accuracy on the test samples. So the test samples have chosen the
epochs:
"""

SCALING = f"""## Appendix E: Cost against samples and features

The samples are generated, with three classes. The network has one hidden layer of 100
units, and X is float64. One table has more and more samples of 50 features. The other
has 4,000 samples of more and more features. We fit for {PASSES} epochs or iterations
and divide the time by their number. Standardising is part of it. A default fit that is
expected to take above {LONGEST:.0f} s is left out. One that is expected to take above
10 s is taken once.
"""

LATENCY = {
    "predictions": """### Predictions

`predict_proba` gets all samples at once, or one. They are float32 with 784 features; the
networks have one hidden layer of 100 units and ten classes. Here MLPClassifier is bare:
nothing standardises its features, as skgn does. The times are medians of wall time, on
one thread.
""",
    "beginnings": """### The first moments

The first lines are what an import adds to that of scikit-learn in a new process, the
least of several. The others are medians of wall time with nothing set. MLPClassifier has
up to 1,000 iterations.
""",
}

THREADS = {
    "threads": """## Threads

The table has the median wall time of default fits on two cores. There are five fits of
each on the small data, and three on the others. Within a part of the table, fits take
turns.

- "Nothing set" is what a user has who sets nothing.
- "One thread" is skgn with the BLAS limited to one thread by the environment.
- "One core busy" is beside a process that computes without end on one of the two cores.
  "One thread" is then kept on the other core.
- MLPClassifier has its defaults, behind a `StandardScaler`.
""",
    "grid_search": """### A grid search

This is `GridSearchCV` over 4 values of `alpha` in 3 folds, with nothing set. All else is
at the defaults, and X is float32. Times are median wall times. The workers of `n_jobs=2`
are already running. The 13th fit is of all samples at the best `alpha`. It has no other
fit beside it. `refit=False` leaves it out.
""",
    "single_rows": """### One sample at a time

`predict_proba` gets one sample of digits at a time. The table has the wall time of
{times:,} calls together, as a median over repeats. MLPClassifier is behind a
`StandardScaler`.
""",
}

PARTS = {
    "rows": "### Cost against samples",
    "columns": "### Cost against features",
    "classes": """### Many classes

There are 2,000 training samples of 50 features and 1,000 test samples, and both methods
have their defaults. The generated classes have a cluster each.
""",
    "memory": """## Appendix F: Memory

This is the peak memory of the process during a fit of two epochs, less what it holds
before the fit. What it holds before includes `X` (float64). MB are 2²⁰ bytes.
""",
    "profile": """## Appendix G: Where the time goes

This is the time by source file from Python's profiler, in a fit of 5 epochs. A product of
matrices counts to the file that calls for it. The profiler slows small steps down.
""",
}

MOVED = """The profile was measured before the files of the package were moved. These
names are from the old layout, and are no longer there: {names}.
"""

FULL_BATCH = """## Appendix H: Full batch

Here skgn has `batch_size=None`, so that each iteration uses all samples. The peer is
`MLPClassifier`. All fits of skgn have `alpha=1e-4` where no heading says otherwise. In
columns such as `skgn / adam`, below 1 means that skgn is faster. "Peer never" means that
the peer does not reach the target with most of the seeds. The log-losses and accuracies
of the last table are means.
"""

FULL_BATCH_LOSSES = """In this table, skgn's log-loss is higher than adam's on: {names}.
In brackets is skgn's log-loss divided by adam's. At `alpha=1e-4`, the network fits noise
in the labels. [Appendix A](#appendix-a-default-fits-on-each-data-set) has fits with the
default, `alpha="auto"`.
"""
