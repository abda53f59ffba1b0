"""The tables of the appendices that stand behind the summary of the comparison."""

import numpy as np
from runs import SLACK
from summary import (
    DEFAULTS,
    METHODS,
    PEERS,
    best_loss,
    default_value,
    first_to,
    reached,
    seconds_of,
    times_to,
)
from tools import cell, median


def target_rows(cases, peer):
    """Return the details behind the ratios to one peer."""
    rows = []
    steps = {"lbfgs": "iterations"}.get(peer, "epochs")
    for name, entry in cases.items():
        theirs = times_to(entry, peer, peer, "loss")
        ours = times_to(entry, "skgn", peer, "loss")
        if not theirs or not ours:
            continue
        bests = [best_loss(points) for points in entry["runs"][peer].values()]
        there = [p for p in ours if p]
        row = {
            "data": name,
            "log-loss to reach": SLACK * median(bests),
            f"{PEERS[peer]}, {steps}": steps_of(theirs),
            f"{PEERS[peer]}, s": seconds_of(theirs),
            "skgn, epochs or iterations": steps_of(ours),
            "skgn, s": seconds_of(ours),
            "skgn reaches it in": f"{reached(ours)} repeats",
            "skgn's test accuracy there": median([p[5] for p in there]) if there else "",
        }
        rows.append(row)
    return rows


def steps_of(points):
    """Return the median count of epochs or iterations; never is infinite."""
    return median([np.inf if p is None else p[0] for p in points])


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
    counts = {"data": "**reached, of all repeats**"}
    for run, heading in METHODS.items():
        lists = [times_to(entry, run, "adam", metric) for entry in cases.values()]
        counts[heading] = reached([point for points in lists for point in points])
    return [*rows, counts] if rows else []


def default_rows(cases, field):
    """Return a field of POINT of the default fits, a row per case."""
    rows = []
    for name, entry in cases.items():
        values = {
            heading: default_value(entry, method, field)
            for method, heading in DEFAULTS.items()
        }
        shown = {key: "" if value is None else value for key, value in values.items()}
        rows.append({"data": name, **shown})
    return rows


def rate_rows(cases):
    """Return how torch's learning rates were chosen."""
    return [
        {
            "data": name,
            "learning rate": f"{entry['rate']['rate']:g}",
            "epochs": entry["rate"]["passes"],
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
        largest = [max(p[5] for p in points) for points in seeds.values()]
        rows.append(
            {
                "data": name,
                "test accuracy to reach": entry["aim"],
                "epochs": steps_of(firsts),
                "s": seconds_of(firsts),
                "reached in": reached(firsts),
                "largest test accuracy": median(largest),
            }
        )
    return rows
