"""Time to target and default fits: every method on every case and repeat."""

import numpy as np
import torch_peer
from cases import Case, Rows
from runs import (
    DEFAULTS,
    PLAIN,
    adam,
    default_fit,
    lbfgs,
    skgn,
    skgn_to_aim,
    targets_of,
)
from tools import fit_seconds, machine, mlp

#: Runs of each method, by the name under which they are kept.
METHODS = {
    "adam": ["adam", "default adam", "default adam, early stopping"],
    "lbfgs": ["lbfgs", "default lbfgs"],
    "torch": ["torch", "default torch"],
    "boosting": ["default HistGradientBoosting"],
    "logistic": ["default LogisticRegression"],
    "skgn": ["skgn", "skgn auto", "default skgn"],
    "aim": ["skgn to aim"],
}
OURS = {"skgn", "aim"}
TORCH_DEFAULT_PASSES = 20
PROBE_ROWS = 50_000  # rows that the probe passes over, at least one epoch of each case


def wanted(case, name, seed):
    """Return whether a run belongs to a case."""
    if name in case.without or (name in case.once and seed > 0):
        return False
    if "torch" in name:
        return torch_peer.torch is not None
    return name != "skgn to aim" or case.aim is not None


def one_run(name, case, rows, seed, entry):
    """Return the points of one run."""
    if name == "adam":
        return adam(case, rows, seed)
    if name == "lbfgs":
        return lbfgs(case, rows, seed)
    if name in ("skgn", "skgn auto"):
        peers = {peer: runs.get(str(seed)) for peer, runs in entry["runs"].items()}
        parameters = PLAIN if name == "skgn" else {}
        return skgn(case, rows, seed, targets_of(peers), **parameters)
    if name == "skgn to aim":
        return skgn_to_aim(case, rows, seed)
    if name == "torch":
        return torch_peer.torch_run(case, rows, seed, entry["rate"]["rate"])
    if name == "default torch":
        rate = entry["rate"]["rate"]
        return [torch_peer.complete_fit(case, rows, seed, rate, TORCH_DEFAULT_PASSES)]
    return default_fit(name.removeprefix("default "), case, rows, seed)


def probe(case, rows):
    """Return the seconds of a fixed short fit of adam: how fast the machine is now."""
    epochs = min(20, max(1, PROBE_ROWS // len(rows.T)))
    return min(fit_seconds(mlp(case.layers, 0, epochs), rows.T, rows.y) for _ in range(2))


def warm_up():
    """Run every method once on a few rows, so that no import is timed."""
    case = Case("digits", "quick", epochs=2, lbfgs_iterations=2, budgets=(2,))
    rows = Rows(case, 0)
    rows.T, rows.X, rows.y = rows.T[:300], rows.X[:300], rows.y[:300]
    adam(case, rows, 0)
    lbfgs(case, rows, 0)
    skgn(case, rows, 0, {})
    for name in DEFAULTS:
        default_fit(name, case, rows, 0)
    if torch_peer.torch:
        torch_peer.complete_fit(case, rows, 0, 1e-3, 2)


def compare(case, repeats, methods, store, resume):
    """Run the methods on a case; peers before skgn, which needs their targets."""
    entry = store.case(case)
    for seed in range(repeats):
        todo = _todo(case, seed, methods, entry, resume)
        if not todo and "shape" in entry:
            continue
        rows = Rows(case, seed)
        entry["shape"] = rows.shape
        speed = probe(case, rows)
        for whose in {"skgn" if method in OURS else "peers" for method in todo.values()}:
            entry["probe"].setdefault(whose, {})[str(seed)] = speed
        if any("torch" in name for name in todo) and _rate_due(entry, seed, resume):
            entry["rate"] = torch_peer.choose_rate(case, Rows(case, 0))
            store.save()
        for name, method in todo.items():
            points = one_run(name, case, rows, seed, entry)
            entry["runs"].setdefault(name, {})[str(seed)] = points
            entry["machine"]["skgn" if method in OURS else "peers"] = machine()
            store.save()
    shown = {
        name: [float(np.sum([p[1] for p in points[-1:]])) for points in runs.values()]
        for name, runs in entry["runs"].items()
        if runs
    }
    print(f"{case.name}: " + ", ".join(f"{n} {max(s):.3g} s" for n, s in shown.items()))


def _todo(case, seed, methods, entry, resume):
    """Return the runs of a repeat that are to be made, each with its method."""
    names = {name: method for method in METHODS for name in METHODS[method]}
    return {
        name: method
        for name, method in names.items()
        if method in methods
        and wanted(case, name, seed)
        and not (resume and str(seed) in entry["runs"].get(name, {}))
    }


def _rate_due(entry, seed, resume):
    """Return whether torch's learning rate is still to be chosen."""
    return "rate" not in entry or (seed == 0 and not resume)
