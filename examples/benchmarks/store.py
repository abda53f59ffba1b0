"""Raw results in a JSON file, kept up to date run by run."""

import json
import math
import os


class Store:
    """The raw results: cases of the comparison, and tables of the other parts."""

    def __init__(self, path):
        self.path = path
        self.results = {"cases": {}, "parts": {}}
        if path and path.exists():
            self.results |= json.loads(path.read_text())

    @property
    def cases(self):
        """Return the entries of the comparison."""
        return self.results["cases"]

    @property
    def parts(self):
        """Return the results of the other parts."""
        return self.results["parts"]

    def case(self, case):
        """Return the entry of a case, new if there is none."""
        settings = {
            "group": case.group,
            "data": case.data,
            "layers": list(case.layers),
            "dtype": case.dtype.__name__,
            "epochs": case.epochs,
            "lbfgs_iterations": case.lbfgs_iterations,
            "budgets": list(case.budgets),
            "aim": case.aim,
        }
        new = {"runs": {}, "machine": {}, "probe": {}}
        entry = self.cases.setdefault(case.name, new)
        entry.update(settings)
        return entry

    def save(self):
        """Write the file, a line for each run; none without a path."""
        if self.path is None:
            return
        parts = {name: self.parts[name] for name in sorted(self.parts)}
        results = {"cases": _sorted(self.cases), "parts": parts}
        text = json.dumps(_plain(results), indent=1, allow_nan=False)
        text = _innermost_on_one_line(text)
        partial = self.path.with_suffix(".partial")
        partial.write_text(text + "\n")
        os.replace(partial, self.path)


def _sorted(value):
    """Return dictionaries within dictionaries in the order of their keys."""
    if not isinstance(value, dict):
        return value
    return {key: _sorted(value[key]) for key in sorted(value)}


def _plain(value):
    """Return what JSON knows; numbers have six digits, infinity is "never"."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, float):
        return value
    if math.isfinite(value):
        return float(f"{value:.6g}")
    return None if math.isnan(value) else "never"


def _innermost_on_one_line(text):
    """Put lists of numbers on one line each."""
    lines, held = [], None
    for line in text.split("\n"):
        stripped = line.strip()
        if held is not None and stripped[:1] in "]":
            lines.append(held + stripped)
            held = None
        elif held is not None and stripped[:1] not in "[{":
            held += stripped + (" " if stripped.endswith(",") else "")
        else:
            if held is not None:
                lines.append(held)
            held = line if stripped.endswith("[") else None
            if held is None:
                lines.append(line)
    return "\n".join(lines)
