"""Imports run one way: _classifier -> _base -> training -> steps -> {model, linalg}."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skgn

ROOT = Path(skgn.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

#: What each part of the package may import of it, itself included.
ALLOWED = {
    "__init__": {"_classifier", "_version"},
    "_classifier": {"_base", "_compat", "_rows", "model", "typing"},
    "_base": {
        *("_compat", "_rows", "_streaming", "_threads", "_training", "_version"),
        *("training", "steps", "model", "typing"),
    },
    "_streaming": {"_compat", "_rows", "_threads", "training", "model", "typing"},
    "_training": {"_rows", "training", "steps", "model", "typing"},
    "_rows": {"typing"},
    "_threads": set(),
    "_compat": {"typing"},
    "_version": set(),
    "training": {"training", "steps", "model", "linalg", "typing"},
    "steps": {"steps", "model", "linalg", "typing"},
    "model": {"model", "linalg", "typing"},
    "linalg": {"_threads", "linalg", "typing"},
    "typing": set(),
}

NUMERICAL = {"training", "steps", "model", "linalg", "typing"}


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
    assert "skgn.model.losses.Loss" in imports(ROOT / "_base.py")
    assert "numpy" in imports(ROOT / "_base.py")


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


def test_dependencies_are_declared(path):
    """At the top of any file stand declared dependencies only."""
    roots = {name.split(".")[0] for name in imports(path)}
    known = {"skgn", "numpy", "scipy", "sklearn", "joblib", "threadpoolctl", "matplotlib"}
    assert roots - set(sys.stdlib_module_names) <= known


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
    """The package exports the classifier and its version."""
    assert set(skgn.__all__) == {"GaussNewtonMLPClassifier", "__version__"}
    assert all(hasattr(skgn, name) for name in skgn.__all__)
