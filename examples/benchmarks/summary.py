"""What the raw runs say: wins, losses, ties and medians, and what stands behind them."""

from statistics import median_high, median_low

import numpy as np
from runs import ACCURACY_SLACK, POINT, SLACK, reaches
from tools import median

PEERS = {"adam": "adam", "lbfgs": "L-BFGS", "torch": "torch AdamW"}
#: Peers with the targets that are their own best.
OWN_TARGETS = (
    ("adam", "loss", "log-loss"),
    ("adam", "accuracy", "accuracy"),
    ("lbfgs", "loss", "log-loss"),
    ("torch", "loss", "log-loss"),
)
#: Methods with a default fit, and their names.
DEFAULTS = {
    "adam": "adam",
    "adam, early stopping": "adam, early stopping",
    "lbfgs": "L-BFGS",
    "torch": "torch AdamW",
    "HistGradientBoosting": "HistGradientBoosting",
    "LogisticRegression": "LogisticRegression",
    "skgn": "skgn",
}
#: The methods that are compared at adam's target: their run, and their name.
METHODS = {
    "adam": "adam",
    "default adam, early stopping": "adam, early stopping",
    "lbfgs": "L-BFGS",
    "torch": "torch AdamW",
    "default HistGradientBoosting": "HistGradientBoosting",
    "default LogisticRegression": "LogisticRegression",
    "default skgn": "skgn, default fit",
    "skgn auto": "skgn, defaults, to the target",
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
    """Return how many runs reach the target, as text."""
    return f"{sum(p is not None for p in points)} of {len(points)}"


def ratio(entry, run, peer, metric="loss", ours="skgn"):
    """Return the median seconds of a run over those of ours, to a peer's target.

    0 where skgn never gets there, infinite where the other does not, None where neither
    does or either is not measured.
    """
    theirs, ours = (times_to(entry, name, peer, metric) for name in (run, ours))
    if not theirs or not ours:
        return None
    theirs, ours = seconds_of(theirs), seconds_of(ours)
    if np.isinf(theirs) and np.isinf(ours):
        return None
    return 0.0 if np.isinf(ours) else theirs / ours


def geometric_mean(values):
    """Return the geometric mean of positive numbers."""
    return float(np.exp(np.mean(np.log(values))))


def median_ratio(values):
    """Return the median ratio; 0 and infinity stay what they are."""
    low, high = median_low(values), median_high(values)
    return (low + high) / 2 if low else 0.0


def number(value):
    """Format a ratio: two digits are all that it is worth."""
    if value is None:
        return ""
    if np.isinf(value) or value == 0:
        return "peer never" if value else "skgn never"
    digits = 2 if value < 1 else 1 if value < 20 else 0
    return f"{value:.{digits}f}"


def two_decimals(value):
    """Format a ratio that may be near to 1; a third decimal tells it from 1."""
    return f"{value:.3f}" if 0 < abs(value - 1) < 0.005 else f"{value:.2f}"


def difference(value):
    """Format a difference of accuracies."""
    return f"{value:+.4f}"


def ratios_of(cases, run, peer, metric="loss", ours="skgn"):
    """Return the ratios over cases, by name, where there are any."""
    ratios = {n: ratio(entry, run, peer, metric, ours) for n, entry in cases.items()}
    return {name: value for name, value in ratios.items() if value is not None}


def won(values, even=1.0, sign=1):
    """Return the names of the wins, the losses and the ties.

    A win is a value above `even`, for sign -1 one below it.
    """
    margins = {name: sign * (value - even) for name, value in values.items()}
    return (
        [name for name, margin in margins.items() if margin > 0],
        [name for name, margin in margins.items() if margin < 0],
        [name for name, margin in margins.items() if margin == 0],
    )


def named(names, values, show=number):
    """Return names with their values as text."""
    return "; ".join(f"{name} ({show(values[name])})" for name in names) or "none"


# Default fits.


def default_value(entry, method, field, beside=None):
    """Return the median of a field over the default fits of a method, or None.

    With another method `beside` it, over the repeats that this one has too.
    """
    runs = entry["runs"].get(f"default {method}", {})
    seeds = entry["runs"].get(f"default {beside or method}", {})
    values = [runs[seed][0][POINT.index(field)] for seed in runs if seed in seeds]
    return median(values) if values and None not in values else None


def _pairs(cases, method, field):
    """Return the peer's and skgn's values by case, where there are both."""
    pairs = {
        name: (
            default_value(entry, method, field, beside="skgn"),
            default_value(entry, "skgn", field, beside=method),
        )
        for name, entry in cases.items()
    }
    return {name: pair for name, pair in pairs.items() if None not in pair}


def default_times(cases):
    """Return a row per peer: the time of its default fit over that of skgn's."""
    return _default_rows(cases, "seconds", lambda theirs, ours: theirs / ours)


def default_losses(cases):
    """Return a row per peer: skgn's test log-loss over its own, of default fits."""
    return _default_rows(
        cases, "test_loss", lambda theirs, ours: ours / theirs, two_decimals, sign=-1
    )


def default_accuracies(cases):
    """Return a row per peer: skgn's test accuracy less its own, of default fits."""
    return _default_rows(
        cases, "test_accuracy", lambda theirs, ours: ours - theirs, difference, even=0.0
    )


def _default_rows(cases, field, compared, show=number, even=1.0, sign=1):
    rows = []
    for method, heading in DEFAULTS.items():
        pairs = _pairs(cases, method, field) if method != "skgn" else {}
        values = {name: compared(*pair) for name, pair in pairs.items()}
        if not values:
            continue
        wins, losses, ties = won(values, even, sign)
        row = {
            "peer": heading,
            "data sets": len(values),
            "wins": len(wins),
            "losses": len(losses),
            "ties": len(ties),
            "median": show(median(list(values.values()))),
        }
        if even:
            row["geometric mean"] = show(geometric_mean(list(values.values())))
        rows.append(row | {"losses on": named(losses, values, show)})
    return rows


# Times to targets.


def own_targets(cases, ours="skgn"):
    """Return a row per peer: times of a run of skgn to the peer's own best."""
    rows = []
    for peer, metric, words in OWN_TARGETS:
        ratios = ratios_of(cases, peer, peer, metric, ours)
        if ratios:
            rows.append({"target": f"{words} of {PEERS[peer]}", **_times(ratios)})
    return rows


def adam_targets(cases):
    """Return a row per method: everyone's times to adam's best log-loss."""
    rows = []
    for run in METHODS:
        ratios = ratios_of(cases, run, "adam") if run != "skgn" else {}
        if ratios:
            row = {"peer": METHODS[run], **_times(ratios, peers=True)}
            for name, words in (("skgn", "skgn"), (run, "peer")):
                points = [
                    p for c in cases for p in times_to(cases[c], name, "adam", "loss")
                ]
                row[f"{words} reaches it in"] = f"{reached(points)} repeats"
            rows.append(row)
    return rows


def _times(ratios, peers=False):
    """Return the columns of a comparison of times; with those that peers never reach."""
    values = list(ratios.values())
    both = [value for value in values if 0 < value < np.inf]
    wins, losses, ties = won(ratios)
    row = {"data sets": len(values), "wins": len(wins)}
    if peers:
        row["of these, peer never"] = values.count(np.inf)
    return {
        **row,
        "losses": len(losses),
        "of these, skgn never": values.count(0),
        "ties": len(ties),
        "median": number(median_ratio(values)),
        "both reach": len(both),
        "geometric mean of these": number(geometric_mean(both)) if both else "",
        "losses on": named(losses, ratios),
    }


def ratio_rows(cases, ours="skgn"):
    """Return a row of ratios for each case."""
    rows = []
    for name, entry in cases.items():
        row = {"data": name, "training samples x features, classes": shape(entry)}
        for peer, metric, words in OWN_TARGETS:
            value = ratio(entry, peer, peer, metric, ours)
            row[f"{words} of {PEERS[peer]}"] = number(value)
        if any(list(row.values())[2:]):
            rows.append(row)
    return rows


def shape(entry):
    """Return the training samples, features and classes as text."""
    samples, features, classes = entry["shape"]
    return f"{samples:,} x {features}, {classes}"


def without_auto(cases):
    """Return the names of the cases that have no default fits to a target."""
    return [name for name, entry in cases.items() if not entry["runs"].get("skgn auto")]


def probe_ratios(cases):
    """Return by case how much longer the probe took when skgn was measured, median."""
    ratios = {}
    for name, entry in cases.items():
        probes = entry["probe"]
        if {"peers", "skgn"} <= set(probes):
            ours, peers = (
                median(list(probes[who].values())) for who in ("skgn", "peers")
            )
            ratios[name] = ours / peers
    return ratios


# Threads.


def threads(parts):
    """Return sentences on nothing set against one thread, gains and losses alike."""
    sentences = []
    if "threads" in parts:
        rows = parts["threads"]["rows"]
        sentences += [
            _fits_in_words(rows, "On quiet cores", ""),
            _fits_in_words(rows, "With one of the two cores busy", ", one core busy"),
        ]
    if "grid_search" in parts:
        sentences.append(_search_in_words(parts["grid_search"]["rows"]))
    if "single_rows" in parts:
        sentences.append(_single_in_words(parts["single_rows"]["rows"]))
    return "\n".join(f"- {sentence}" for sentence in sentences if sentence)


def _fits_in_words(rows, where, suffix):
    ours, one = f"nothing set{suffix}, ms", f"one thread{suffix}, ms"
    ratios = {
        row["data"]: row[ours] / row[one] for row in rows if {ours, one} <= set(row)
    }
    if not ratios:
        return ""
    wins, losses, ties = won(ratios, sign=-1)
    even = f", equal on {len(ties)}" if ties else ""
    return (
        f"{where}, nothing set is faster on {len(wins)} of {len(ratios)} fits and slower "
        f"on {len(losses)}{even}. The median ratio is "
        f"{median(list(ratios.values())):.2f}. "
        f"Faster on: {named(wins, ratios, two_decimals)}. "
        f"Slower on: {named(losses, ratios, two_decimals)}."
    )


def _search_in_words(rows):
    shown = [
        f"{row['speed-up']:.2f} with `n_jobs={row['n_jobs']}` ({row['fits']} fits)"
        for row in rows
        if row["n_jobs"] > 1
    ]
    data = rows[0]["data"]
    return f"The speed-up of a grid search on {data} is {' and '.join(shown)}."


def _single_in_words(rows):
    shown = [
        f"{row['nothing set, s'] / row['one thread, s']:.2f} on {row['data']}"
        for row in rows
    ]
    return f"In predictions of one sample at a time, the ratio is {', '.join(shown)}."
