"""Writes the page from the raw results, whichever there are."""

from pathlib import Path

import details
import full_batch
import summary
import words
from cases import all_cases, quick_cases
from figures import SLOPES, draw
from scaling import SERIES, slope
from threads import PREDICTIONS
from tools import markdown, median

import skgn

#: Ratios of times in the tables of the full batch: 0 says that the peer never got there.
RATIOS = ("skgn / adam", "skgn / lbfgs", "at most")


class Page:
    """Collects the text of the page."""

    def __init__(self):
        self.text = []

    def add(self, *paragraphs):
        """Add paragraphs that are not empty."""
        for paragraph in paragraphs:
            if paragraph:
                self.text += [paragraph.strip("\n"), ""]

    def table(self, rows, caption=""):
        """Add a table in the words of the page, if it has rows."""
        if rows:
            self.add(caption, markdown([_plain(row) for row in rows]))

    def figure(self, figures, name, title, text=""):
        """Add a figure and what it shows, if it was drawn."""
        if name in figures:
            self.add(f"![{title}](images/{figures[name]})", text)


def _plain(row):
    """Return a row of a table in the words of the page."""
    return {
        words.plain(name): words.plain(value) if isinstance(value, str) else value
        for name, value in row.items()
    }


def write_page(store, folder):
    """Write the page and its figures to a folder; return the page's file."""
    figures = draw(store, folder / "images")
    order = [case.name for case in [*all_cases(), *quick_cases()]]
    cases = {name: store.cases[name] for name in sorted(store.cases, key=order.index)}
    page = Page()
    page.add(words.INTRODUCTION)
    _summary(page, cases, store.parts)
    _figures(page, figures)
    _threads(page, store.parts)
    if cases:
        page.add(words.METHOD)
        _appendices_of_cases(page, cases)
    _parts(page, store.parts)
    _full_batch(page, store.parts)
    file = folder / "benchmarks.md"
    file.write_text("\n".join(page.text).rstrip() + "\n")
    return file


# The main part.


def _summary(page, cases, parts):
    threads = summary.threads(parts)
    if not cases and not threads:
        return
    page.add(words.SUMMARY)
    if cases:
        page.add(words.DEFAULT_FITS)
        page.table(summary.default_times(cases), words.DEFAULT_TABLES["times"])
        page.table(summary.default_losses(cases), words.DEFAULT_TABLES["losses"])
        page.table(summary.default_accuracies(cases), words.DEFAULT_TABLES["accuracies"])
        page.add(words.OWN_TARGETS)
        page.table(summary.own_targets(cases), words.FIXED)
        page.table(summary.own_targets(cases, "skgn auto"), _auto(cases))
    if threads:
        page.add(words.THREADS_IN_BRIEF, threads)


def _auto(cases):
    """Return the caption of the default fits to a target."""
    names = "; ".join(summary.without_auto(cases))
    return words.AUTO + (words.NOT_MEASURED.format(names=names) if names else "")


def _figures(page, figures):
    if figures:
        page.add(words.FIGURES)
    page.figure(figures, "ratios", "Speed ratios for each data set", words.RATIOS)
    page.figure(figures, "curves", "Validation log-loss against time", words.CURVES)
    page.figure(figures, "scaling", "Cost against samples and features", words.COSTS)


def _threads(page, parts):
    for name, text in (words.THREADS | words.LATENCY).items():
        if name in parts:
            page.add(text.format(times=PREDICTIONS))
            _table_of(page, parts[name])


def _table_of(page, part):
    page.table(_uniform(part["rows"]))
    page.add(f"Repeats: {part['repeats']}. {part['machine']}.")


def _uniform(rows):
    """Return rows that all have the columns of the fullest."""
    names = list(max(rows, key=len))
    return [{name: row.get(name, "") for name in names} for row in rows]


# The appendices.


def _appendices_of_cases(page, cases):
    page.add(words.APPENDIX_A)
    for field, heading in (
        ("seconds", "Seconds"),
        ("test_loss", "Test log-loss"),
        ("test_accuracy", "Test accuracy"),
    ):
        page.table(details.default_rows(cases, field), f"{heading}:")
    page.add(words.APPENDIX_B)
    _by_group(page, cases)
    page.table(summary.ratio_rows(cases), words.FIXED)
    page.table(summary.ratio_rows(cases, "skgn auto"), _auto(cases))
    page.add(_machines(cases))
    for peer, heading in summary.PEERS.items():
        caption = (
            f"To the best log-loss of {heading} × 1.01, skgn with nothing searched for:"
        )
        page.table(details.target_rows(cases, peer), caption)
    _adam_targets(page, cases)
    page.add(words.APPENDIX_D)
    page.table(details.rate_rows(cases), "torch's learning rates:")
    page.table(details.aim_rows(cases), words.AIM)


def _by_group(page, cases):
    tables = {n: entry for n, entry in cases.items() if entry["group"] == "tables"}
    others = {n: entry for n, entry in cases.items() if entry["group"] != "tables"}
    how = "together, skgn with nothing searched for:"
    page.table(summary.own_targets(tables), f"The {len(tables)} tables {how}")
    page.table(summary.own_targets(others), f"Generated samples and images {how}")


def _adam_targets(page, cases):
    page.add(words.ADAM_TARGETS)
    page.table(summary.adam_targets(cases), "To adam's best log-loss, wins and losses:")
    page.add("All methods: seconds. In brackets is how many repeats reach the target.")
    for metric, target in (("loss", "log-loss × 1.01"), ("accuracy", "accuracy − 0.001")):
        rows = details.all_methods_rows(cases, metric)
        page.table(rows, f"To adam's best validation {target}:")


def _machines(cases):
    """Return how often, on what and how evenly the comparison was measured."""
    counts = {
        len(entry["runs"].get(run, {}))
        for entry in cases.values()
        for run in ("adam", "skgn")
    }
    machines = {line for entry in cases.values() for line in entry["machine"].values()}
    repeats = " to ".join(map(str, sorted({min(counts), max(counts)})))
    text = f"Repeats: {repeats}. " + ". ".join(sorted(machines)) + "."
    probes = list(summary.probe_ratios(cases).values())
    if probes:
        least, middle, most = min(probes), median(probes), max(probes)
        text += "\n\n" + words.PROBE.format(least=least, middle=middle, most=most)
    return text


def _parts(page, parts):
    if {"rows", "columns"} & set(parts):
        page.add(words.SCALING)
    for name, text in words.PARTS.items():
        if name not in parts:
            continue
        part = parts[name]
        page.add(text)
        if name in SLOPES:
            page.add(_slopes(part["rows"], name))
            part = part | {"rows": [_sized(row, name) for row in part["rows"]]}
        _table_of(page, part)
        if name == "profile":
            page.add(_moved(part["rows"]))


def _slopes(rows, name):
    fitted = {label: slope(rows, key, SLOPES[name]) for key, label in SERIES.items()}
    known = [f"{words.plain(label)} {v:.2f}" for label, v in fitted.items() if v]
    if not known:
        return ""
    return (
        f"From {SLOPES[name]:,} {words.plain(name)} on, the slopes of log seconds "
        f"against log {words.plain(name)} are: {'; '.join(known)}. A cost with a slope "
        "of 1 is linear."
    )


def _sized(row, name):
    """Return a row that says what its size counts."""
    return {name if key == "size" else key: value for key, value in row.items()}


def _moved(rows):
    """Return a sentence on files of the profile that are no longer there, or nothing."""
    home = Path(skgn.__file__).parent
    files = {row["part"] for row in rows if row["part"].endswith(".py")}
    moved = sorted(f"`{file}`" for file in files if not (home / file).exists())
    return words.MOVED.format(names=", ".join(moved)) if moved else ""


def _full_batch(page, parts):
    found = [name for name in full_batch.PARTS if name in parts]
    if found:
        page.add(words.FULL_BATCH)
    for name in found:
        part = parts[name]
        page.add(f"### {words.plain(full_batch.PARTS[name].__doc__.rstrip('.'))}")
        page.table([_without_zeros(row) for row in part["rows"]])
        if name == "defaults":
            page.add(_full_batch_losses(part["rows"]))
        page.add(f"Seeds: {part['repeats']}. {part['machine']}.")


def _without_zeros(row):
    """Return a row that says in words where the peer never got there."""
    return {
        key: "peer never" if key in RATIOS and value == 0 else value
        for key, value in row.items()
    }


def _full_batch_losses(rows):
    """Return a sentence on the data sets on which skgn's log-loss is the higher."""
    ratios = {
        f"{row['data'].partition(',')[0]} in {row['float']}": row["skgn log-loss"]
        / row["adam log-loss"]
        for row in rows
        if "skgn log-loss" in row
    }
    _, losses, _ = summary.won(ratios, sign=-1)
    names = summary.named(losses, ratios, summary.two_decimals)
    return words.FULL_BATCH_LOSSES.format(names=names) if losses else ""
