"""AdamW in torch with a linear decay: a hand-written loop to measure skgn against.

The learning rate is chosen for each data set and network on the validation rows of the
first repeat, out of RATES, and beyond either end while that end is the best; its weight
decay is torch's default. The loop has no data loader: a permutation per epoch, rows taken
by index, the fused optimizer.
"""

from itertools import pairwise
from time import process_time

import numpy as np
from runs import no_better, point

try:
    import torch
except ImportError:
    torch = None

RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
BATCH = 256
WARM_UP = 0.05  # share of the steps


class TorchMLP:
    """A ReLU network trained by AdamW, with fit and predict_proba."""

    def __init__(self, layers, rate, passes, seed):
        self.layers, self.rate, self.passes, self.seed = layers, rate, passes, seed

    def fit(self, X, y):
        """Fit standardised rows."""
        torch.set_num_threads(1)
        torch.manual_seed(self.seed)
        self.classes_, codes = np.unique(y, return_inverse=True)
        rows, labels = torch.from_numpy(X), torch.from_numpy(codes.astype(np.int64))
        widths = [X.shape[1], *self.layers, len(self.classes_)]
        modules = []
        for below, units in pairwise(widths):
            modules += [torch.nn.Linear(below, units, dtype=rows.dtype), torch.nn.ReLU()]
        self.net = torch.nn.Sequential(*modules[:-1])
        optimizer = torch.optim.AdamW(self.net.parameters(), lr=self.rate, fused=True)
        group, loss = optimizer.param_groups[0], torch.nn.functional.cross_entropy
        batches = -(-len(X) // BATCH)
        total, step = batches * self.passes, 0
        warm_up = max(1, round(WARM_UP * total))
        for _ in range(self.passes):
            for index in torch.randperm(len(X)).split(BATCH):
                step += 1
                left = (total - step + 1) / max(1, total - warm_up + 1)
                group["lr"] = self.rate * min(step / warm_up, left)
                optimizer.zero_grad(set_to_none=True)
                loss(self.net(rows[index]), labels[index]).backward()
                optimizer.step()
        return self

    def predict_proba(self, X):
        """Return probabilities."""
        with torch.no_grad():
            return torch.softmax(self.net(torch.from_numpy(X)), dim=1).numpy()


def complete_fit(case, rows, seed, rate, passes):
    """Return one complete fit as a point."""
    model = TorchMLP(case.layers, rate, passes, seed)
    start = process_time()
    model.fit(rows.T, rows.y)
    seconds = process_time() - start + rows.scaler_seconds
    return point(model, rows, passes, seconds, standardised=True)


def choose_rate(case, rows):
    """Return the learning rate of the least validation log-loss, and how it was found."""
    start, losses = process_time(), {}
    rates = list(RATES)
    while rates:
        rate = rates.pop(0)
        loss = complete_fit(case, rows, 0, rate, case.sweep_passes)[2]
        losses[rate] = np.inf if loss is None else loss
        best = min(losses, key=losses.get)
        if not rates and best == max(losses) and best < 1:
            rates.append(float(f"{best * 10**0.5:.1g}"))
        elif not rates and best == min(losses) and best > 1e-6:
            rates.append(float(f"{best / 10**0.5:.1g}"))
    return {
        "rate": best,
        "passes": case.sweep_passes,
        "losses": {f"{rate:g}": losses[rate] for rate in sorted(losses)},
        "seconds": process_time() - start,
    }


def torch_run(case, rows, seed, rate):
    """Return complete fits over budgets, until two in a row are no better."""
    points = []
    for passes in case.budgets:
        points.append(complete_fit(case, rows, seed, rate, passes))
        if no_better(points):
            break
    return points
