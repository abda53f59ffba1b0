"""Writes the page from the raw results, whichever there are."""

import details
import full_batch
import summary
import words
from cases import all_cases, quick_cases
from figures import SLOPES, draw
from scaling import SERIES, slope
from tools import markdown, median


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
        """Add a table, if it has rows."""
        if rows:
            self.add(caption, markdown(rows))

    def figure(self, figures, name, text):
        """Add a figure, if it was drawn."""
        if name in figures:
            self.add(f"![{text}](images/{figures[name]})")


def write_page(store, folder):
    """Write the page and its figures to a folder; return the page's file."""
    figures = draw(store, folder / "images")
    page = Page()
    page.add(words.INTRODUCTION)
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
    both = (
        (tables, f"The {len(tables)} tables together:"),
        (others, "Generated rows and images together:"),
    )
    page.add(words.OWN_TARGETS, summary.verdicts(cases))
    for group, caption in both:
        page.table(summary.own_targets(group), caption)
    page.add(words.AUTO)
    for group, caption in both:
        page.table(summary.own_targets(group, "skgn auto"), caption)
    page.figure(figures, "ratios", "Speed ratios for each data set")
    page.table(summary.ratio_rows(cases), "One by one, with the training rows:")
    page.add(_machines(cases))
    page.figure(figures, "curves", "Validation log-loss against time")
    page.add(words.CURVES if "curves" in figures else "")
    page.add(words.ADAM_TARGETS)
    for group, caption in both:
        page.table(summary.adam_targets(group), caption)
    _default_fits(page, cases)
    page.add(words.METHOD, "## The comparison in detail")
    for peer, heading in summary.PEERS.items():
        page.table(details.target_rows(cases, peer), f"To the target of {heading}:")
    page.add("All methods to adam's best: seconds, in brackets how many get there.")
    for metric, target in (("loss", "log-loss × 1.01"), ("accuracy", "accuracy − 0.001")):
        rows = details.all_methods_rows(cases, metric)
        page.table(rows, f"To adam's best validation {target}:")
    page.table(details.rate_rows(cases), "torch's learning rates:")
    page.table(details.aim_rows(cases), words.AIM)


def _default_fits(page, cases):
    page.add(words.DEFAULT_FITS)
    page.table(details.default_summary(cases))
    for field, heading in (
        ("seconds", "Seconds"),
        ("test_loss", "Test log-loss"),
        ("test_accuracy", "Test accuracy"),
    ):
        page.table(details.default_rows(cases, field), f"{heading}:")


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


def _parts(page, parts, figures):
    for name, text in words.PARTS.items():
        if name not in parts:
            continue
        result = parts[name]
        if name == "rows":
            page.add(words.SCALING)
            page.figure(figures, "scaling", "Cost against rows and columns")
        page.add(text)
        if name in SLOPES:
            page.add(_slopes(result["rows"], name))
        page.table(_uniform(result["rows"]))
        page.add(f"Repeats: {result['repeats']}. {result['machine']}.")


def _slopes(rows, name):
    fitted = {label: slope(rows, key, SLOPES[name]) for key, label in SERIES.items()}
    known = [f"{label} {value:.2f}" for label, value in fitted.items() if value]
    if not known:
        return ""
    return (
        f"Slopes of log seconds from {SLOPES[name]:,} {name} on (1 is linear): "
        f"{'; '.join(known)}."
    )


def _uniform(rows):
    """Return rows that all have the columns of the fullest."""
    names = list(max(rows, key=len))
    return [{name: row.get(name, "") for name in names} for row in rows]


def _full_batch(page, parts):
    found = [name for name in full_batch.PARTS if name in parts]
    if found:
        page.add(words.FULL_BATCH)
    for name in found:
        result = parts[name]
        page.add(f"### {full_batch.PARTS[name].__doc__.rstrip('.')}")
        page.table(result["rows"])
        page.add(f"Seeds: {result['repeats']}. {result['machine']}.")
