"""Where the time of a mini-batch fit goes, by file of the package."""

import cProfile
import os
import pstats
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from tools import fit_seconds, load

import skgn
from skgn import GaussNewtonMLPClassifier

HOME = Path(skgn.__file__).parent
SHOWN = 10


def seconds_by_file(repeats, quick=False):
    """Where the time of a mini-batch fit of 5 passes goes."""
    rows = []
    for name, X, y in _data(quick):
        model = GaussNewtonMLPClassifier(alpha=1e-4, max_iter=5, random_state=0)
        profile = cProfile.Profile()
        profile.runcall(fit_seconds, model, X, y)
        files = {}
        for (file, _, _), entry in pstats.Stats(profile).stats.items():
            key = _part(file)
            files[key] = files.get(key, 0.0) + entry[2]
        total = sum(files.values())
        largest = sorted(files.items(), key=lambda item: -item[1])[:SHOWN]
        for key, seconds in largest:
            share = f"{100 * seconds / total:.0f} %"
            rows.append({"data": name, "part": key, "seconds": seconds, "share": share})
    return rows


def _part(file):
    """Return the file within the package, or the package it belongs to."""
    path = Path(file)
    if path.is_relative_to(HOME):
        return str(path.relative_to(HOME))
    if file == "~":
        return "compiled functions"
    return next((p for p in ("numpy", "scipy", "sklearn") if p in path.parts), "other")


def _data(quick):
    if quick or "SKGN_DATA" not in os.environ:
        yield "digits", *load_digits(return_X_y=True)
        return
    for name, dtype in (("letter", np.float64), ("mnist", np.float32)):
        data = load(name)
        yield f"{name}, {dtype.__name__}", data["X"].astype(dtype), data["y"]
