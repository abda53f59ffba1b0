"""What the raw runs of the comparison say: times to targets and their ratios."""

import numpy as np
from runs import ACCURACY_SLACK, SLACK, reaches
from tools import median

PEERS = {"adam": "adam", "lbfgs": "L-BFGS", "torch": "torch AdamW"}
#: Peers with the targets that are their own best.
OWN_TARGETS = (
    ("adam", "loss", "log-loss"),
    ("adam", "accuracy", "accuracy"),
    ("lbfgs", "loss", "log-loss"),
    ("torch", "loss", "log-loss"),
)
#: The methods that are compared at adam's target: their run, and their name.
METHODS = {
    "adam": "adam",
    "default adam, early stopping": "adam, early stopping",
    "lbfgs": "L-BFGS",
    "torch": "torch AdamW",
    "default HistGradientBoosting": "HistGradientBoosting",
    "default LogisticRegression": "LogisticRegression",
    "default skgn": "skgn, default fit",
    "skgn auto": 'skgn, alpha="auto"',
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
    """Return the geometric mean; nan if there is none, as for 0 with infinity."""
    values = np.asarray(values, float)
    if not len(values) or (0 in values and np.inf in values):
        return np.nan
    return 0.0 if 0 in values else float(np.exp(np.mean(np.log(values))))


def number(value):
    """Format a ratio: two digits are all that it is worth."""
    if value is None:
        return ""
    if np.isnan(value):
        return "–"
    if np.isinf(value) or value == 0:
        return "∞" if value else "0"
    digits = 2 if value < 1 else 1 if value < 20 else 0
    return f"{value:.{digits}f}"


def ratios_of(cases, run, peer, metric="loss", ours="skgn"):
    """Return the ratios over cases, by name, where there are any."""
    ratios = {n: ratio(entry, run, peer, metric, ours) for n, entry in cases.items()}
    return {name: value for name, value in ratios.items() if value is not None}


def own_targets(cases, ours="skgn"):
    """Return a row per peer: times of a run of skgn to the peer's own best."""
    rows = [
        _summary(cases, peer, peer, metric, f"{PEERS[peer]}: {words}", ours)
        for peer, metric, words in OWN_TARGETS
    ]
    return [row for row in rows if row]


def adam_targets(cases):
    """Return a row per method: everyone's times to adam's best log-loss."""
    runs = [run for run in METHODS if run != "skgn"]
    rows = [_summary(cases, run, "adam", "loss", METHODS[run]) for run in runs]
    return [row for row in rows if row]


def _summary(cases, run, peer, metric, heading, ours="skgn"):
    ratios = ratios_of(cases, run, peer, metric, ours)
    if not ratios:
        return None
    values = list(ratios.values())
    finite = [value for value in values if 0 < value < np.inf]
    least, most = min(ratios, key=ratios.get), max(ratios, key=ratios.get)
    row = {
        "peer": heading,
        "data sets": len(values),
        "skgn faster on": sum(value > 1 for value in values),
        "geometric mean, both get there": number(geometric_mean(finite)),
        "geometric mean, all": number(geometric_mean(values)),
        "median, all": number(median(values)),
        "least": f"{number(ratios[least])} ({least})",
        "most": f"{number(ratios[most])} ({most})",
    }
    for name, words in ((ours, "skgn"), (run, "peer")):
        points = [p for c in cases for p in times_to(cases[c], name, peer, metric)]
        row[f"{words} gets there in"] = f"{reached(points)} runs"
    return row


def ratio_rows(cases):
    """Return a row of ratios for each case."""
    rows = []
    for name, entry in cases.items():
        row = {"data": name, "rows x columns, classes": shape(entry)}
        for peer, heading in PEERS.items():
            row[heading] = number(ratio(entry, peer, peer))
            if peer == "adam":
                row["adam's accuracy"] = number(ratio(entry, peer, peer, "accuracy"))
        rows.append(row)
    return rows


def shape(entry):
    """Return the training rows, columns and classes as text."""
    rows, columns, classes = entry["shape"]
    return f"{rows:,} x {columns}, {classes}"


def verdicts(cases):
    """Return a sentence per peer on where skgn wins and where it loses."""
    sentences = []
    for peer, metric, words in OWN_TARGETS:
        ratios = ratios_of(cases, peer, peer, metric)
        if not ratios:
            continue
        wins = sum(value > 1 for value in ratios.values())
        slower = [f"{n} ({number(r)})" for n, r in ratios.items() if 0 < r <= 1]
        never = [name for name, value in ratios.items() if value == 0]
        text = f"To the best {words} of {PEERS[peer]}, skgn is faster on {wins} of "
        text += f"{len(ratios)} data sets"
        text += f"; slower on {', '.join(slower)}" if slower else "; slower on none"
        text += f"; it does not get there on {', '.join(never)}" if never else ""
        sentences.append(f"- {text}.")
    return "\n".join(sentences)


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
