"""Run the benchmarks and write docs/benchmarks.md with its figures.

    python examples/benchmarks/run.py [--only PART ...] [--data NAME ...]
        [--methods METHOD ...] [--repeats 3] [--resume] [--quick] [--output DIR]

Raw numbers go to results.json beside this file, run by run, and parts that are not run
again keep theirs: the work can be split over commands. ``--resume`` leaves out what is
there already. ``--methods skgn`` measures skgn anew against the recorded peers; a short
fit of adam, made at both times, tells whether the machine was as fast. The data sets are
read from the folder that the environment variable SKGN_DATA names; what needs them is
left out where it is not set. torch and matplotlib may be missing: their columns and
figures are then left out.

``--quick`` takes seconds, needs no files, and writes only where ``--output`` says.
"""

import argparse
import os
import tempfile
from pathlib import Path
from time import perf_counter

import full_batch
import scaling
from cases import NO_FILE, all_cases, quick_cases
from compare import METHODS, compare, warm_up
from latency import beginnings, predictions
from profiling import seconds_by_file
from report import write_page
from store import Store
from threadpoolctl import threadpool_limits
from threads import default_fits, grid_search, single_rows
from tools import machine, markdown

ROOT = Path(__file__).resolve().parents[2]
GROUPS = ("tables", "generated", "images")
PARTS = {
    "rows": scaling.cost_against_rows,
    "columns": scaling.cost_against_columns,
    "classes": scaling.cost_against_classes,
    "memory": scaling.memory,
    "threads": default_fits,
    "grid_search": grid_search,
    "single_rows": single_rows,
    "predictions": predictions,
    "beginnings": beginnings,
    "profile": seconds_by_file,
}
QUICK = ("quick", *PARTS)
WALL = {
    "threads": "two cores, wall time",
    "grid_search": "two cores, wall time",
    "single_rows": "two cores, wall time",
    "predictions": "one thread, wall time",
    "beginnings": "two cores, wall time",
    "one_iteration": "one thread, wall time",
}
EVERYTHING = (*GROUPS, *PARTS, "full_batch")


def run_part(name, function, repeats, store, **options):
    """Run a part that makes a table, and keep it."""
    start = perf_counter()
    rows = function(repeats, **options)
    print(f"\n{name} ({perf_counter() - start:.0f} s)\n\n{markdown(rows)}", flush=True)
    how = WALL.get(name, "one thread, processor time")
    repeats = {"cats": 20, "memory": 1, "profile": 1}.get(name, repeats)
    store.parts[name] = {"rows": rows, "repeats": repeats, "machine": machine(how)}
    store.save()


def run_cases(cases, arguments, store):
    """Run the comparison on cases."""
    for case in cases:
        if case.data not in NO_FILE and "SKGN_DATA" not in os.environ:
            print(f"{case.name}: left out, SKGN_DATA is not set")
            continue
        start = perf_counter()
        compare(case, arguments.repeats, arguments.methods, store, arguments.resume)
        print(f"  ({perf_counter() - start:.0f} s)", flush=True)


def run(arguments, store):
    """Run the parts asked for."""
    chosen = arguments.only or (QUICK if arguments.quick else EVERYTHING)
    cases = quick_cases() if arguments.quick else all_cases()
    cases = [case for case in cases if case.group in chosen]
    cases = [case for case in cases if not arguments.data or case.data in arguments.data]
    if cases:
        warm_up()
        run_cases(cases, arguments, store)
    options = {"quick": True} if arguments.quick else {}
    for name, function in PARTS.items():
        if name in chosen and not (arguments.resume and name in store.parts):
            run_part(name, function, arguments.repeats, store, **options)
    for name, function in full_batch.PARTS.items():
        if not {name, "full_batch"} & set(chosen):
            continue
        if arguments.resume and name in store.parts:
            continue
        if name in full_batch.NEED_DATA and "SKGN_DATA" not in os.environ:
            print(f"{name}: left out, SKGN_DATA is not set")
            continue
        run_part(name, function, arguments.repeats, store)


def parsed():
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [*EVERYTHING, *full_batch.PARTS, "quick", "page"]
    parser.add_argument(
        "--only", nargs="+", choices=names, help="parts to run; page: only write the page"
    )
    parser.add_argument("--data", nargs="+", help="data sets of the comparison")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--resume", action="store_true", help="leave out what is there")
    parser.add_argument("--quick", action="store_true", help="a tiny version, in seconds")
    parser.add_argument("--output", type=Path, help="folder to write to, for docs/")
    arguments = parser.parse_args()
    arguments.repeats = arguments.repeats or (1 if arguments.quick else 3)
    return arguments


def main():
    """Run, and write the page."""
    arguments = parsed()
    file = Path(__file__).with_name("results.json")
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
        file = arguments.output / file.name
    store = Store(None if arguments.quick and not arguments.output else file)
    run(arguments, store)
    if arguments.quick and not arguments.output:
        with tempfile.TemporaryDirectory() as folder:  # to see that it can be written
            print(write_page(store, Path(folder)).read_text())
        return
    print(f"wrote {write_page(store, arguments.output or ROOT / 'docs')}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
