"""What the raw runs of the comparison say: times to targets, ratios, default fits."""

import numpy as np
from runs import ACCURACY_SLACK, SLACK, reaches
from tools import cell, median

PEERS = {"adam": "adam", "lbfgs": "L-BFGS", "torch": "torch AdamW"}
#: Columns of the tables over all methods: the run they are taken from, and their heading.
METHODS = {
    "adam": "adam",
    "default adam, early stopping": "adam, early stopping",
    "lbfgs": "L-BFGS",
    "torch": "torch AdamW",
    "default HistGradientBoosting": "HistGradientBoosting",
    "default LogisticRegression": "LogisticRegression",
    "skgn": "skgn",
}


def first_to(points, name, target):
    """Return the point of least seconds that reaches a target, or None."""
    reached = [point for point in points if reaches(point, name, target)]
    return min(reached, key=lambda point: point[1], default=None)


def best_loss(points):
    """Return the least validation log-loss of a run."""
    return min(np.inf if p[2] is None else p[2] for p in points)


def times_to(entry, run, peer, metric):
    """Return, over repeats, the point at which a run reaches a peer's target, or None."""
    points = []
    for seed, peers in entry["runs"].get(peer, {}).items():
        own = entry["runs"].get(run, {}).get(seed)
        if own is None:
            continue
        if metric == "loss":
            target = SLACK * best_loss(peers)
        else:
            target = max(p[3] for p in peers) - ACCURACY_SLACK
        points.append(first_to(own, metric, target))
    return points


def seconds_of(points):
    """Return the median seconds; never is infinite."""
    return median([np.inf if p is None else p[1] for p in points])


def reached(points):
    """Return how many repeats reach the target, as text."""
    return f"{sum(p is not None for p in points)} of {len(points)}"


def ratio(entry, peer):
    """Return the median over repeats of peer's seconds over skgn's, 0 for never; None."""
    theirs = times_to(entry, peer, peer, "loss")
    ours = times_to(entry, "skgn", peer, "loss")
    if not ours or len(ours) != len(theirs):
        return None
    pairs = zip(theirs, ours, strict=True)
    return median([0.0 if our is None else their[1] / our[1] for their, our in pairs])


def geometric_mean(values):
    """Return the geometric mean; 0 if any value is."""
    if not values:
        return None
    return float(np.exp(np.mean(np.log(values)))) if min(values) > 0 else 0.0


def ratio_rows(cases):
    """Return a row of ratios for each case."""
    rows = []
    for name, entry in cases.items():
        row = {"data": name, "rows x columns, classes": shape(entry)}
        for peer, heading in PEERS.items():
            value = ratio(entry, peer)
            row[f"{heading} / skgn"] = "" if value is None else number(value)
        rows.append(row)
    return rows


def shape(entry):
    """Return the training rows, columns and classes as text."""
    rows, columns, classes = entry["shape"]
    return f"{rows:,} x {columns}, {classes}"


def number(value):
    """Format a ratio: two digits are all that it is worth."""
    return "never" if value == 0 else f"{value:.1f}" if value < 20 else f"{value:.0f}"


def ratio_summary(cases):
    """Return the geometric means and the extremes over cases, a row per peer."""
    rows = []
    for peer, heading in PEERS.items():
        ratios = {name: ratio(entry, peer) for name, entry in cases.items()}
        ratios = {name: value for name, value in ratios.items() if value is not None}
        if not ratios:
            continue
        points = [
            p for name in ratios for p in times_to(cases[name], "skgn", peer, "loss")
        ]
        values = list(ratios.values())
        positive = [value for value in values if value > 0]
        least, most = min(ratios, key=ratios.get), max(ratios, key=ratios.get)
        rows.append(
            {
                "peer": heading,
                "data sets": len(ratios),
                "skgn is faster on": sum(value > 1 for value in values),
                "geometric mean of peer / skgn": number(
                    geometric_mean(list(ratios.values()))
                ),
                "without those never reached": number(geometric_mean(positive) or 0),
                "least": f"{number(ratios[least])} ({least})",
                "most": f"{number(ratios[most])} ({most})",
                "skgn reaches the target in": reached(points) + " runs",
            }
        )
    return rows


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
            "skgn reaches it in": reached(ours),
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


def default_rows(cases, index):
    """Return the medians of the default fits at an index of POINT, a row per case."""
    names = (
        "adam|adam, early stopping|lbfgs|torch|HistGradientBoosting|LogisticRegression"
    )
    rows = []
    for name, entry in cases.items():
        row = {"data": name}
        for method in [*names.split("|"), "skgn"]:
            runs = entry["runs"].get(f"default {method}", {})
            values = [points[0][index] for points in runs.values()]
            heading = PEERS.get(method, method)
            row[heading] = median(values) if values and None not in values else ""
        rows.append(row)
    return rows


def rate_rows(cases):
    """Return how torch's learning rates were chosen."""
    return [
        {
            "data": name,
            "learning rate": f"{entry['rate']['rate']:g}",
            "passes": entry["rate"]["passes"],
            "rates tried": len(entry["rate"]["losses"]),
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
