"""The text of the page."""

from scaling import LONGEST, PASSES

INTRODUCTION = """# Benchmarks

Written by `python examples/benchmarks/run.py`, which takes all measurements; its raw
numbers are in `examples/benchmarks/results.json`. Figures are medians over repeats, each
with its own split and seed. One thread, and seconds are processor time, which on one
thread is what a fit takes on an otherwise idle machine; where a line below a table names
wall time, it is that, and threads are as the text says. Times depend on the machine:
compare them within a table.
"""

OWN_TARGETS = """## Time to the peer's own best

The target is the smallest validation log-loss of the peer, times 1.01, or the best
validation accuracy of adam less 0.001. Ratios are *median seconds of the peer / median
seconds of skgn*: above 1, skgn is faster. A method that does not reach a target has taken
infinitely long: the ratio is 0 if that is skgn, ∞ if it is the peer. One such data set
takes the geometric mean over all to 0 or ∞ (– if there are both), so that the mean over
those that both reach stands beside it, and the median over all, to which it counts as
the worst.
"""

ADAM_TARGETS = """## Every method to adam's best log-loss

The target is adam's for all. adam, L-BFGS, torch AdamW and skgn are stopped at it;
the others have one complete fit with their defaults, which gets there or does not. Data
sets that neither the method nor skgn gets to are left out of its row.
"""

DEFAULT_FITS = """## Default fits

Each method with its defaults, on the same splits, scored on the test rows; torch AdamW,
which has none, in 20 passes at its chosen learning rate. On the images the peers are
fitted once, and L-BFGS and some of the others are left out. Over all data sets:
"""

METHOD = """## How the comparison is made

- **Data.** Each repeat splits the rows by class into 60 % training, 20 % validation and
  20 % test; where a data set has test rows of its own, the others are split 80 to 20.
  `electricity` is shuffled like the others. `generated` is `make_classification` with
  50,000 rows, 100 columns (30 informative, 2 redundant), 10 classes of 4 clusters,
  `flip_y=0.02`, `class_sep=2` and `random_state=0` in all repeats. float64, but float32
  for `generated` and the images, for all methods.
- **Columns.** skgn gets them raw and standardises them itself, within its time; trees get
  them raw. The others get those of `StandardScaler`, whose time is added to theirs, in
  default fits too.
- **Networks.** One hidden layer of 100 units unless the name says otherwise; ReLU in the
  peers and leaky ReLU in skgn, which are the defaults.
- **adam and L-BFGS.** `MLPClassifier`, looked at after each epoch or iteration while the
  clock stands still; their time is that of the first that meets the target, as if they
  had known to stop there. adam ends after 200 epochs (100 above 20,000 rows, 30 on the
  images), L-BFGS after 300 iterations (150 on the images); both earlier if 30 in a row
  bring no better log-loss (15 on `generated`; on the images 5 of adam and 15 of L-BFGS).
- **torch AdamW and skgn.** Their schedules are planned for a number of passes. The time
  to a target is that of the fastest complete fit that meets it, out of fits of 1, 2, 3,
  5, 8, 12, 20, 30, 45, 70, 100, 140 and 200 passes (up to 45 on `generated`, 20 on the
  images). The search ends when two longer fits in a row are better in neither loss nor
  accuracy, that of skgn also when all targets are met; it is not counted, as the epochs
  of adam past its best are not.
- **torch AdamW** is a plain loop with batches of 256 rows, 5 % warm-up and linear decay
  to zero. Its learning rate is chosen for each data set on the validation rows of the
  first repeat, out of five and beyond either end of them while that end is the best; the
  search is not counted in its time.
- **skgn** has the same settings on all data: `alpha=1e-4` in fits to a target, where no
  other line says `alpha="auto"`, else its defaults; `max_iter` is set to the number of
  passes. Where `batch_size="auto"` takes all rows at once, below 3,000
  training rows, passes are iterations. Its defaults were chosen with several of these
  data sets at hand, but once for all of them.
- **HistGradientBoosting, LogisticRegression and adam with early stopping** have no such
  curve: where they are compared by a target, it is by their default fit
  (`LogisticRegression` with `max_iter=1000`).
"""

PROBE = """The peers and skgn may be measured at different times. A fixed short fit of
adam, made beside both, took {middle:.2f} times as long beside skgn as beside the peers
({least:.2f} to {most:.2f} by data set); the ratios are not corrected for it.
"""

CURVES = """The first repeat: of adam and L-BFGS the best so far, of torch AdamW and skgn
complete fits of more and more passes, of the others the default fit.
"""

AUTO = """skgn's fits above have `alpha=1e-4`. The same with its default, `alpha="auto"`,
whose search for the penalty is part of each fit and of its time:
"""

AIM = """skgn fitted on training and validation rows, by passes until it reaches an
accuracy on the test rows (which therefore have chosen the passes):
"""

SCALING = f"""## Cost against rows and columns

Generated rows of three classes, one hidden layer of 100, float64: rows of 50 columns,
and columns of 4,000 rows. A pass is a {PASSES}th of a fit of {PASSES} passes,
standardising included. Default fits expected to take above {LONGEST:.0f} s are left out,
and those above 10 s are taken once.
"""

PARTS = {
    "rows": "### Cost against rows",
    "columns": "### Cost against columns",
    "memory": """## Memory

The process's peak during a fit of two passes, less what it holds before the fit, which
includes `X` (float64). MB are 2²⁰ bytes.
""",
    "threads": """## Threads

What a user feels who sets nothing: median wall time of default fits on two cores, as a
whole process sees it, in one run; five fits of each on the small data, three on the
others. "One thread" is skgn with the BLAS limited to one thread by the environment. "One
core busy" is beside a process that computes without end on one of the two cores; "one
thread" is then kept on the other. MLPClassifier has its defaults, behind a
`StandardScaler`. Within a part of the table, fits take turns.
""",
    "grid_search": """### A grid search

`GridSearchCV` over 4 values of `alpha` in 3 folds, defaults otherwise, float32, nothing
set; medians. The workers of `n_jobs=2` are already running. The 13th fit, of all rows at
the best `alpha`, has no other beside it; `refit=False` leaves it out.
""",
    "single_rows": """### One row at a time

`predict_proba` of single rows of digits, 1,000 times; medians. MLPClassifier is behind a
`StandardScaler`.
""",
    "profile": """## Where the time goes

Time of Python's profiler by file, in a fit of 5 passes; products of matrices count to the
file that calls for them. The profiler slows small steps down.
""",
}

FULL_BATCH = """## All rows at each iteration

skgn with `batch_size=None` against `MLPClassifier`. In `skgn / adam` and the like, less
than 1 is faster, and 0 says that the peer never got there. The losses and accuracies of
the last table are means. There magic is lost by 2 % and churn by far: its labels are
noisy, and at `alpha=1e-4`, which these tables have throughout, the net fits them; the
default, `alpha="auto"`, does not.
"""
