"""What happened at each iteration of a fit."""

from dataclasses import dataclass, field

import numpy as np

from skgn.typing import Array

#: Columns of a history: name, value where there is none, heading of the printed line,
#: format of a number.
COLUMNS = (
    ("objective", np.nan, "objective", "12.5e"),
    ("cost", np.nan, "cost", "12.5e"),
    ("gradient_norm", np.nan, "gradient", "10.2e"),
    ("damping", np.nan, "damping", "10.2e"),
    ("alpha", np.nan, "alpha", "10.2e"),
    ("gain_ratio", np.nan, "gain", "8.2f"),
    ("step_length", 0.0, "step", "10.2e"),
    ("seconds", 0.0, "seconds", "9.3f"),
    ("validation_loss", np.nan, "validation", "12.5e"),
    ("validation_score", np.nan, "score", "8.4f"),
)


@dataclass
class History:
    """One row per iteration or epoch and one for the start, column by column."""

    rows: list[tuple[float, ...]] = field(default_factory=list)

    def append(self, **values: float) -> None:
        """Add a row, by the names of the columns."""
        unknown = values.keys() - {name for name, *_ in COLUMNS}
        if unknown:
            raise TypeError(f"no such columns: {sorted(unknown)}")
        self.rows.append(tuple(values.get(name, none) for name, none, *_ in COLUMNS))

    def to_dict(self) -> dict[str, Array]:
        """Return the columns as float64 arrays of equal length."""
        table = np.array(self.rows, dtype=np.float64)
        return {name: table[:, i] for i, (name, *_) in enumerate(COLUMNS)}

    def column(self, name: str) -> list[float]:
        """Return a column so far."""
        i = next(i for i, (own, *_) in enumerate(COLUMNS) if own == name)
        return [row[i] for row in self.rows]

    @property
    def last(self) -> dict[str, float]:
        """The last row, by the names of the columns."""
        return {
            name: value for (name, *_), value in zip(COLUMNS, self.rows[-1], strict=True)
        }


def line(values: dict[str, float], number: int, first: bool) -> str:
    """Return a row for printing, under headings if it is the first."""
    cells, headings = [f"{number:9d}"], ["Iteration"]
    for name, _, heading, form in COLUMNS:
        width = int(form.split(".")[0])
        value = values[name]
        blank = np.isnan(value)
        cells.append(" " * (width - 1) + "-" if blank else format(value, form))
        headings.append(f"{heading.capitalize():>{width}}")
    text = " ".join(cells)
    return f"{' '.join(headings)}\n{text}" if first else text
