"""Writes the page from the raw results, whichever there are."""

import full_batch
import summary
from cases import all_cases, quick_cases
from figures import SLOPES, draw
from runs import POINT
from scaling import LONGEST, PASSES, slope
from tools import markdown

INTRODUCTION = """# Benchmarks

Written by `python examples/benchmarks/run.py`, which takes all measurements again; its
raw numbers are in `examples/benchmarks/results.json`. One thread unless a table says
otherwise. Figures are medians over repeats, each with its own split and seed. Times
depend on the machine, which each section names: compare them within a table.
"""

METHOD = """## How the comparison is made

- **Data.** Each repeat splits the rows by class into 60 % training, 20 % validation and
  20 % test; where a data set has test rows of its own, the others are split 80 to 20.
  `electricity` is shuffled like the others. `generated` is `make_classification` with
  50,000 rows, 100 columns (30 informative), 10 classes of 4 clusters, `flip_y=0.02` and
  `class_sep=2`. float64, but float32 for `generated` and the images, for all methods.
- **Columns.** skgn gets them raw and standardises them itself, within its time; trees get
  them raw. The others get those of `StandardScaler`, whose time is added to theirs.
- **Networks.** One hidden layer of 100 units unless the name says otherwise; ReLU in the
  peers and leaky ReLU in skgn, which are the defaults.
- **Target.** A peer's smallest validation log-loss, times 1.01; or its best validation
  accuracy less 0.001. The validation rows are the same for all.
- **adam and L-BFGS.** `MLPClassifier`, looked at after each epoch or iteration while the
  clock stands still; their time is that of the first that meets the target, as if they
  had known to stop there. adam ends after 200 epochs (100 above 20,000 rows, 30 on the
  images), L-BFGS after 300 iterations; both earlier if 30 in a row bring no better
  log-loss (15 on `generated`, 6 on the images). L-BFGS is left out on the images.
- **torch AdamW and skgn.** Their schedules are planned for a number of passes. The time
  to a target is that of the fastest complete fit that meets it, out of fits of 1, 2, 3,
  5, 8, 12, 20, 30, 45, 70, 100, 140 and 200 passes (up to 45 on `generated`, 20 on the
  images). The search ends when two longer fits in a row are better in neither loss nor
  accuracy; it is not counted, as the epochs of adam past its best are not.
- **torch AdamW** is a plain loop with batches of 256 rows, 5 % warm-up and linear decay
  to zero. Its learning rate is chosen for each data set on the validation rows of the
  first repeat, which is not counted in its time.
- **skgn** has its defaults throughout, and the same on all data; only `max_iter` is set
  to the number of passes. Where `batch_size="auto"` takes all rows at once, below 3,000
  training rows, passes are iterations.
- **HistGradientBoosting, LogisticRegression and adam with early stopping** have no such
  curve: where they are compared by a target, it is by their default fit
  (`LogisticRegression` with `max_iter=1000`).
- A method that never reaches a target counts as infinitely slow.
"""


class Page:
    """Collects the text of the page."""

    def __init__(self):
        self.text = []

    def add(self, *lines):
        """Add paragraphs."""
        for line in lines:
            self.text += [line.strip("\n"), ""]

    def table(self, rows, caption=""):
        """Add a table, if it has rows."""
        if rows:
            self.add(*([caption] if caption else []), markdown(rows))

    def figure(self, figures, name, text):
        """Add a figure, if it was drawn."""
        if name in figures:
            self.add(f"![{text}](images/{figures[name]})")


def write_page(store, folder):
    """Write the page and its figures to a folder; return the page's file."""
    figures = draw(store, folder / "images")
    page = Page()
    page.add(INTRODUCTION)
    if store.cases:
        order = [case.name for case in [*all_cases(), *quick_cases()]]
        names = sorted(store.cases, key=order.index)
        _comparison(page, {name: store.cases[name] for name in names}, figures)
    _parts(page, store.parts, figures)
    _full_batch(page, store.parts)
    file = folder / "benchmarks.md"
    file.write_text("\n".join(page.text).rstrip() + "\n")
    return file


def _comparison(page, cases, figures):
    tables = {n: entry for n, entry in cases.items() if entry["group"] == "tables"}
    others = {n: entry for n, entry in cases.items() if entry["group"] != "tables"}
    page.add(
        "## Time to the peer's own best",
        "How many times longer each peer takes than skgn to its own best validation "
        "log-loss × 1.01. Above 1, skgn is faster; `never` says that skgn does not reach "
        "what the peer reaches, and makes the geometric mean `never` too.",
    )
    page.table(summary.ratio_summary(tables), f"The {len(tables)} tables together:")
    page.figure(figures, "ratios", "Speed ratios for each data set")
    page.table(summary.ratio_rows(tables), "One by one, with the training rows:")
    page.table(summary.ratio_rows(others), "Generated rows and images:")
    page.table(summary.aim_rows(cases), "skgn's time to an accuracy on the test rows:")
    page.add(_machines(cases))
    page.figure(figures, "curves", "Validation log-loss against time")
    if "curves" in figures:
        page.add(
            "The first repeat: of adam and L-BFGS the best so far, of torch AdamW and "
            "skgn complete fits of more and more passes, of the others the default fit."
        )
    page.add(METHOD, "## Time to the peer's own best, in detail")
    for peer, heading in summary.PEERS.items():
        page.table(summary.target_rows(cases, peer), f"To the target of {heading}:")
    page.add(
        "## All methods to adam's best",
        "Seconds; in brackets how many get there.",
    )
    for metric, words in (("loss", "log-loss × 1.01"), ("accuracy", "accuracy − 0.001")):
        rows = summary.all_methods_rows(cases, metric)
        page.table(rows, f"To adam's best validation {words}:")
    page.add(
        "## Default fits",
        "Each method with its defaults; torch AdamW in 20 passes at its chosen learning "
        "rate. On the images the peers are fitted once, and the slowest are left out.",
    )
    for field, words in (
        ("seconds", "Seconds"),
        ("test_loss", "Test log-loss"),
        ("test_accuracy", "Test accuracy"),
    ):
        page.table(summary.default_rows(cases, POINT.index(field)), f"{words}:")
    page.table(summary.rate_rows(cases), "torch's learning rates:")


def _machines(cases):
    counts = {len(entry["runs"].get("skgn", {})) for entry in cases.values()}
    machines = {line for entry in cases.values() for line in entry["machine"].values()}
    least, most = min(counts), max(counts)
    repeats = f"{most}" if least == most else f"{least} to {most}"
    return f"Repeats: {repeats}. " + ". ".join(sorted(machines)) + "."


def _parts(page, parts, figures):
    texts = {
        "rows": (
            "Cost against rows",
            "50 columns, three classes, one hidden layer of 100, float64. A pass is a "
            f"{PASSES}th of a fit of {PASSES} passes, standardising included.",
        ),
        "columns": ("Cost against columns", "4,000 rows, otherwise as above."),
        "memory": (
            "Memory",
            "The process's peak during a fit of two passes, less what it holds before "
            "the fit, which includes `X` (float64). MB are 2²⁰ bytes.",
        ),
        "threads": (
            "One thread against two",
            "Threads of the BLAS, in each process of the search.",
        ),
        "profile": (
            "Where the time goes",
            "Time of Python's profiler by file, in a fit of 5 passes; products of "
            "matrices count to the file that calls for them. The profiler slows small "
            "steps down.",
        ),
    }
    for name, (heading, text) in texts.items():
        if name not in parts:
            continue
        result = parts[name]
        page.add(f"## {heading}", text)
        page.figure(figures, name, f"Cost against {name}")
        if name in SLOPES:
            page.add(_slopes(result["rows"], name))
        page.table(_uniform(result["rows"]))
        page.add(f"Repeats: {result['repeats']}. {result['machine']}.")


def _slopes(rows, name):
    fitted = {
        words: slope(rows, key, SLOPES[name])
        for key, words in (
            ("skgn s, default fit", "skgn's default fit"),
            ("skgn s per pass", "a pass of skgn"),
            ("adam s per pass", "an epoch of adam"),
        )
    }
    known = [
        f"{words} {value:.2f}" for words, value in fitted.items() if value is not None
    ]
    if not known:
        return ""
    return (
        f"Slopes of log seconds from {SLOPES[name]:,} {name} on (1 is linear): "
        f"{', '.join(known)}. Default fits that would take above {LONGEST:.0f} s are "
        "left out, and those above 10 s are taken once."
    )


def _uniform(rows):
    """Return rows that all have the columns of the fullest."""
    names = list(max(rows, key=len))
    return [{name: row.get(name, "") for name in names} for row in rows]


def _full_batch(page, parts):
    found = [name for name in full_batch.PARTS if name in parts]
    if not found:
        return
    page.add(
        "## All rows at each iteration",
        "skgn with `batch_size=None` against `MLPClassifier`. In `skgn / adam` and the "
        "like, less than 1 is faster, and 0 says that the peer never got there. The "
        "losses and accuracies of the last table are means. There magic is lost by 2 % "
        "and churn by far: its labels are noisy, and at the default penalty the net fits "
        "them; `alpha=1e-3` or `early_stopping=True` helps.",
    )
    for name in found:
        result = parts[name]
        page.add(f"### {full_batch.PARTS[name].__doc__.rstrip('.')}")
        page.table(result["rows"])
        page.add(f"Seeds: {result['repeats']}. {result['machine']}.")
