"""The tables that stand behind the summary of the comparison."""

from runs import POINT, SLACK
from summary import (
    METHODS,
    PEERS,
    best_loss,
    first_to,
    geometric_mean,
    number,
    reached,
    seconds_of,
    times_to,
)
from tools import cell, median

DEFAULTS = {
    "adam": "adam",
    "adam, early stopping": "adam, early stopping",
    "lbfgs": "L-BFGS",
    "torch": "torch AdamW",
    "HistGradientBoosting": "HistGradientBoosting",
    "LogisticRegression": "LogisticRegression",
    "skgn": "skgn",
}


def target_rows(cases, peer):
    """Return the details behind the ratios to one peer."""
    rows = []
    for name, entry in cases.items():
        theirs = times_to(entry, peer, peer, "loss")
        ours = times_to(entry, "skgn", peer, "loss")
        if not theirs or not ours:
            continue
        bests = [best_loss(points) for points in entry["runs"][peer].values()]
        there = [p for p in ours if p]
        steps = {"lbfgs": "iterations"}.get(peer, "passes")
        row = {
            "data": name,
            "log-loss to reach": SLACK * median(bests),
            f"{PEERS[peer]}, {steps}": median([p[0] for p in theirs]),
            f"{PEERS[peer]}, s": seconds_of(theirs),
            "skgn, passes": median([p[0] for p in there]) if there else "never",
            "skgn, s": seconds_of(ours),
            "skgn gets there in": reached(ours),
            "skgn's test accuracy there": median([p[5] for p in there]) if there else "",
        }
        rows.append(row)
    return rows


def all_methods_rows(cases, metric):
    """Return every method's seconds to adam's best log-loss or accuracy."""
    rows = []
    for name, entry in cases.items():
        row = {"data": name}
        for run, heading in METHODS.items():
            points = times_to(entry, run, "adam", metric)
            row[heading] = ""
            if points:
                row[heading] = cell(seconds_of(points))
                if any(p is None for p in points) and any(points):
                    row[heading] += f" ({reached(points)})"
        rows.append(row)
    counts = {"data": "**reached, of all runs**"}
    for run, heading in METHODS.items():
        lists = [times_to(entry, run, "adam", metric) for entry in cases.values()]
        counts[heading] = reached([point for points in lists for point in points])
    return [*rows, counts] if rows else []


def _default(entry, method, field, beside=None):
    """Return the median of a field over the default fits of a method, or None.

    With another method `beside` it, over the repeats that this one has too.
    """
    runs = entry["runs"].get(f"default {method}", {})
    seeds = entry["runs"].get(f"default {beside or method}", {})
    values = [runs[seed][0][POINT.index(field)] for seed in runs if seed in seeds]
    return median(values) if values and None not in values else None


def default_rows(cases, field):
    """Return a field of POINT of the default fits, a row per case."""
    rows = []
    for name, entry in cases.items():
        values = {
            heading: _default(entry, method, field)
            for method, heading in DEFAULTS.items()
        }
        shown = {key: "" if value is None else value for key, value in values.items()}
        rows.append({"data": name, **shown})
    return rows


def default_summary(cases):
    """Return skgn's default fit beside each other default fit, over all cases."""
    rows = []
    for method, heading in DEFAULTS.items():
        if method == "skgn":
            continue
        seconds, losses, accuracies = (
            _pairs(cases, method, field)
            for field in ("seconds", "test_loss", "test_accuracy")
        )
        if not seconds:
            continue
        worse = [name for name, (theirs, ours) in losses.items() if ours >= theirs]
        slower = [name for name, (theirs, ours) in seconds.items() if ours >= theirs]
        gain = [ours - theirs for theirs, ours in accuracies.values()]
        rows.append(
            {
                "peer": heading,
                "data sets": len(seconds),
                "peer's s / skgn's": number(
                    geometric_mean([theirs / ours for theirs, ours in seconds.values()])
                ),
                "skgn is slower on": ", ".join(slower) or "none",
                "skgn's log-loss / peer's": number(
                    geometric_mean([ours / theirs for theirs, ours in losses.values()])
                ),
                "skgn's log-loss is higher on": ", ".join(worse) or "none",
                "skgn's accuracy less peer's, median": f"{median(gain):+.4f}",
            }
        )
    return rows


def _pairs(cases, method, field):
    """Return the peer's and skgn's values by case, where there are both."""
    pairs = {
        name: (
            _default(entry, method, field, beside="skgn"),
            _default(entry, "skgn", field, beside=method),
        )
        for name, entry in cases.items()
    }
    return {name: pair for name, pair in pairs.items() if None not in pair}


def rate_rows(cases):
    """Return how torch's learning rates were chosen."""
    return [
        {
            "data": name,
            "learning rate": f"{entry['rate']['rate']:g}",
            "passes": entry["rate"]["passes"],
            "rates tried": ", ".join(entry["rate"]["losses"]),
            "seconds of the search": entry["rate"]["seconds"],
        }
        for name, entry in cases.items()
        if "rate" in entry
    ]


def aim_rows(cases):
    """Return skgn's fits on training and validation rows that reach a test accuracy."""
    rows = []
    for name, entry in cases.items():
        seeds = entry["runs"].get("skgn to aim", {})
        if not seeds:
            continue
        firsts = [first_to(points, "aim", entry["aim"]) for points in seeds.values()]
        there = [p for p in firsts if p]
        largest = [max(p[5] for p in points) for points in seeds.values()]
        rows.append(
            {
                "data": name,
                "test accuracy to reach": entry["aim"],
                "passes": median([p[0] for p in there]) if there else "",
                "s": seconds_of(firsts),
                "reached in": reached(firsts),
                "largest test accuracy": median(largest),
            }
        )
    return rows
