"""The figures of the page."""

import numpy as np
from cases import all_cases, quick_cases
from scaling import SERIES, slope
from summary import METHODS, PEERS, ratio
from words import plain

try:
    import matplotlib
except ImportError:
    matplotlib = None
else:
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

COLOURS = {"adam": "#1f77b4", "lbfgs": "#2ca02c", "torch": "#9467bd", "skgn": "#d62728"}
CURVES = ("letter", "nursery", "electricity", "adult", "generated", "mnist (100,)")
COMPLETE = ("skgn", "skgn auto", "torch")  # complete fits, of more and more passes
SLOPES = {"rows": 10_000, "columns": 300}  # sizes from which slopes are fitted


def draw(store, folder):
    """Draw what there is; return the names of the files."""
    if matplotlib is None:
        print("no figures: matplotlib is not installed")
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    figures = {}
    if store.cases:
        figures["ratios"] = _ratios(store.cases)
        figures["curves"] = _curves(store.cases)
    if {"rows", "columns"} <= set(store.parts):
        figures["scaling"] = _scaling(store.parts)
    names = {}
    for name, figure in figures.items():
        if figure is not None:
            names[name] = f"benchmark_{name}.png"
            figure.savefig(folder / names[name], dpi=110)
            plt.close(figure)
    return names


def _ratios(cases):
    order = dict.fromkeys(case.name for case in [*all_cases(), *quick_cases()])
    names = [name for name in order if name in cases]
    names = [name for name in names if ratio(cases[name], "adam", "adam") is not None]
    if not names:
        return None
    figure, axes = plt.subplots(
        figsize=(8, 1.4 + 0.33 * len(names)), layout="constrained"
    )
    values = {peer: [ratio(cases[name], peer, peer) for name in names] for peer in PEERS}
    known = [v for column in values.values() for v in column if v]
    never = 0.6 * min([*known, 1.0])
    for offset, (peer, heading) in zip((-0.18, 0, 0.18), PEERS.items(), strict=True):
        column = values[peer]
        y = np.arange(len(names)) + offset
        there = [i for i, value in enumerate(column) if value]
        missing = [i for i, value in enumerate(column) if value == 0]
        if there:
            axes.plot(
                [column[i] for i in there],
                y[there],
                "o",
                color=COLOURS[peer],
                label=heading,
            )
        if missing:
            axes.plot([never] * len(missing), y[missing], "x", color=COLOURS[peer])
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    for i in range(1, len(names)):
        axes.axhline(i - 0.5, color="black", linewidth=0.4, alpha=0.25)
    axes.grid(axis="x", which="both", alpha=0.25)
    axes.set_xlabel("peer's seconds / skgn's seconds (right of the line: skgn is faster)")
    crosses = any(0 in column for column in values.values())
    axes.set_title(
        "Time to the peer's own best validation log-loss × 1.01"
        + ("\n× at the left: skgn never reaches it" if crosses else ""),
        fontsize=11,
    )
    axes.xaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    low, high = axes.get_xlim()
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200) if low < t < high]
    axes.set_xticks(ticks)
    figure.legend(title="peer", loc="outside right upper")
    return figure


def _curves(cases):
    names = [name for name in CURVES if name in cases] or list(cases)[:2]
    columns = min(2, len(names))
    figure, grid = plt.subplots(
        -(-len(names) // columns),
        columns,
        figsize=(8.5, 3.3 * -(-len(names) // columns)),
        layout="constrained",
        squeeze=False,
    )
    handles = {}
    for axes, name in zip(grid.flat, names, strict=False):
        runs, losses = cases[name]["runs"], []
        for run, heading in METHODS.items():
            points = runs.get(run, {}).get("0")
            if not points or any(p[2] is None for p in points):
                continue
            seconds, loss = zip(*[(p[1], p[2]) for p in points], strict=True)
            losses += [min(loss), *([loss[0]] if run in COMPLETE else [])]
            handles[heading] = axes.plot(seconds, _drawn(run, loss), **_style(run))[0]
        axes.set(title=name, xscale="log", yscale="log")
        if losses:
            axes.set_ylim(0.93 * min(losses), 1.1 * max(losses))
        axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%.2g"))
        axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        low, high = axes.get_ylim()
        if high / low < 10:
            ticks = np.unique(
                [float(f"{t:.2g}") for t in np.geomspace(low, high, 6)[1:-1]]
            )
            axes.set_yticks(ticks)
        axes.grid(alpha=0.25)
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    for axes in grid[-1]:
        axes.set_xlabel("seconds")
    for axes in grid[:, 0]:
        axes.set_ylabel("validation log-loss")
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4)
    return figure


def _drawn(run, loss):
    """Return the running minimum of a trajectory, complete fits as they are."""
    return np.minimum.accumulate(loss) if run in ("adam", "lbfgs") else loss


def _style(run):
    if run in ("skgn", "torch"):
        return {"color": COLOURS[run], "marker": "o", "markersize": 4}
    if run in COLOURS:
        return {"color": COLOURS[run]}
    if run == "skgn auto":
        return {"color": "#ff9896", "marker": "v", "markersize": 4}
    marks = {
        "HistG": ("s", "#8c564b"),
        "Logis": ("^", "#7f7f7f"),
        "adam,": ("D", "#17becf"),
        "skgn": ("*", COLOURS["skgn"]),
    }
    marker, colour = marks[run.removeprefix("default ")[:5]]
    return {"color": colour, "marker": marker, "linestyle": ""}


def _scaling(parts):
    figure, grid = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
    styles = {
        "skgn s, default fit": (COLOURS["skgn"], "o-"),
        "skgn s per pass": (COLOURS["skgn"], "s--"),
        "adam s per pass": (COLOURS["adam"], "s--"),
    }
    labels = {"rows": "samples, of 50 features", "columns": "features, of 4,000 samples"}
    for axes, (size, label) in zip(grid, labels.items(), strict=True):
        rows = parts[size]["rows"]
        for key, (colour, style) in styles.items():
            points = [(row["size"], row[key]) for row in rows if key in row]
            fitted = slope(rows, key, SLOPES[size])
            note = "" if fitted is None else f": slope {fitted:.2f}"
            axes.loglog(
                *zip(*points, strict=True),
                style,
                color=colour,
                label=plain(SERIES[key]) + note,
            )
        axes.set_xlabel(label)
        axes.set_title(f"slopes from {SLOPES[size]:,} {plain(size)} on", fontsize=11)
        axes.grid(which="major", alpha=0.3)
        low, high = axes.get_ylim()
        axes.set_ylim(low, 8 * high)  # room for the legend
        axes.legend(loc="upper left")
    grid[0].set_ylabel("seconds, one thread")
    return figure
