"""Imports run one way, and of other packages reach those that are declared.

estimators -> (cluster ->) fitting -> (thread ->) training -> steps -> model -> data
-> linalg
"""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import skgn

ROOT = Path(skgn.__file__).parent
HOME = Path(__file__).parents[1]
FILES = sorted(ROOT.rglob("*.py"))

#: What each part of the package may import of it, itself included.
ALLOWED = {
    "__init__": {"estimators", "displays", "_version"},
    "onnx": {"estimators", "data", "model", "typing"},
    "estimators": {
        *("estimators", "cluster", "fitting", "training", "data", "model"),
        *("_compat", "_threads", "_version", "typing"),
    },
    "cluster": {
        *("cluster", "fitting", "training", "steps", "data", "model", "linalg"),
        *("_threads", "typing"),
    },
    "fitting": {
        *("fitting", "thread", "training", "steps", "data", "model", "typing"),
    },
    "thread": {"thread", "training", "steps", "model", "linalg", "typing"},
    "training": {"training", "steps", "data", "model", "linalg", "typing"},
    "steps": {"steps", "model", "linalg", "typing"},
    "model": {"model", "data", "linalg", "typing"},
    "data": {"data", "linalg", "typing"},
    "linalg": {"linalg", "_threads", "typing"},
    "callbacks": {"_compat"},
    "displays": {"displays", "estimators", "_compat", "typing"},
    "_threads": set(),
    "_compat": {"typing"},
    "_version": set(),
    "typing": set(),
}

NUMERICAL = {*ALLOWED} - {
    *("estimators", "cluster", "displays", "callbacks", "onnx", "_compat", "_threads")
}


def part_of(path):
    """Return the part of the package that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path):
    """Return the dotted names that a file imports, imported objects included."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in {path.name}"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


@pytest.fixture(params=FILES, ids=lambda path: str(path.relative_to(ROOT)))
def path(request):
    return request.param


def test_the_walk_sees_imports():
    """The walk below is not empty-handed."""
    assert {part_of(path) for path in FILES} == set(ALLOWED)
    assert "skgn.fitting.fit.fit" in imports(ROOT / "estimators" / "base.py")
    assert "numpy" in imports(ROOT / "estimators" / "base.py")


def test_direction(path):
    """No file imports a part of the package that stands above it."""
    own = {name.split(".")[1] for name in imports(path) if name.startswith("skgn.")}
    assert "skgn" not in imports(path)
    assert own <= ALLOWED[part_of(path)]


def test_numerical_parts_know_numpy_and_scipy_only(path):
    """Nothing below the estimators imports scikit-learn, matplotlib or anything else."""
    if part_of(path) not in NUMERICAL:
        return
    roots = {name.split(".")[0] for name in imports(path)}
    assert roots - set(sys.stdlib_module_names) <= {"skgn", "numpy", "scipy"}


#: Files that are imported where a dask collection comes along.
WITH_DASK = {ROOT / "cluster" / "workers.py", ROOT / "estimators" / "collections.py"}

#: Extras of pyproject.toml that the files of a folder outside the package may use.
EXTRAS = {
    "tests": ["test", "dask", "onnx"],  # of the last, what is skipped without it
    "docs": ["docs"],
    "examples": ["plot", "docs", "dask", "bench"],  # of the last, what may be missing
    "examples/benchmarks": ["dask", "bench"],
}


def declared(*extras):
    """Return what pyproject.toml says may be imported, with these extras."""
    project = tomllib.loads((HOME / "pyproject.toml").read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    required = [*project["dependencies"], *(x for name in extras for x in optional[name])]
    names = {re.match(r"[\w.-]+", requirement)[0] for requirement in required}
    # names under which a package is imported, where they differ from its own
    other = {
        "scikit-learn": "sklearn",
        "myst-parser": "myst_parser",
        "torch-levenberg-marquardt": "torch_levenberg_marquardt",
    }
    return {other.get(name, name) for name in names}


def outside(path):
    """Return the packages, not Python's own, that a file imports."""
    return {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)


def test_dependencies_are_declared(path):
    """The package imports what pip installs with it; two parts need an extra."""
    extras = {"displays": ["plot"], "onnx": ["onnx"]}.get(part_of(path), [])
    if path in WITH_DASK:
        extras = ["dask"]
    assert outside(path) <= {"skgn"} | declared(*extras)


def test_every_dependency_is_imported():
    """Nothing is installed that the package does not use."""
    used = set().union(*map(outside, FILES))
    assert declared() <= used
    assert len(declared()) > 1


@pytest.mark.parametrize("folder", EXTRAS)
def test_extras_are_declared(folder):
    """Tests, examples and the like import what their extra installs."""
    files = list((HOME / folder).glob("*.py"))
    if folder == "tests":
        files = list((HOME / folder).rglob("*.py"))
    assert files
    own = {"skgn", "tests", *(file.stem for file in files)}
    used = set().union(*map(outside, files))
    assert used - own <= declared(*EXTRAS[folder])


def test_private_names_of_scikit_learn(path):
    """_compat.py alone imports what scikit-learn marks as private."""
    private = [
        name
        for name in imports(path)
        if name.startswith("sklearn.") and any(x.startswith("_") for x in name.split("."))
    ]
    assert bool(private) == (path.name == "_compat.py")


def test_import_needs_neither_matplotlib_nor_pandas():
    """`import skgn` works where both are missing."""
    code = "import sys; sys.modules.update(pandas=None, matplotlib=None); import skgn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_import_does_not_load_matplotlib():
    """`import skgn` leaves matplotlib alone, and pandas where scikit-learn does."""
    code = (
        "import sys, sklearn.base, sklearn.model_selection; before = set(sys.modules); "
        "import skgn; loaded = {'matplotlib', 'pandas'} & (set(sys.modules) - before); "
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_public_names():
    """The package exports its estimators, their displays, and its version."""
    assert set(skgn.__all__) == {
        "AlphaPathDisplay",
        "EncodingDisplay",
        "GaussNewtonMLPClassifier",
        "GaussNewtonMLPEnsembleClassifier",
        "GaussNewtonMLPEnsembleRegressor",
        "GaussNewtonMLPRegressor",
        "LossCurveDisplay",
        "MembersDisplay",
        "__version__",
    }
    assert all(hasattr(skgn, name) for name in skgn.__all__)


@pytest.mark.parametrize(
    "file", sorted((ROOT / "steps").glob("*.py")), ids=lambda f: f.stem
)
def test_steps_ask_for_grams_and_never_for_rows(file):
    """So that an evaluation whose rows lie elsewhere needs no other step."""
    attributes = {
        node.attr
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    }
    assert not attributes & {"trace", "pointwise", "row_weights", "targets"}
