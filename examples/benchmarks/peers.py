"""One-run measurements of each method: seconds, validation log-loss, accuracy."""

from itertools import pairwise
from time import perf_counter

import numpy as np
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from tools import fit_seconds, loss_of, mlp

from skgn import GaussNewtonMLPClassifier

try:
    import torch
except ImportError:
    torch = None

#: Complete fits of skgn, by passes or iterations, in ascending order.
BUDGETS = (1, 2, 3, 4, 5, 8, 12, 20, 30, 50, 100)

#: Iterations of L-BFGS, epochs of torch.
LBFGS_BUDGETS = (10, 20, 40, 80, 160, 320)
TORCH_BUDGETS = (2, 3, 5, 8, 12, 20)

#: A trajectory of adam ends after so many epochs without a new best.
PATIENCE = 25


class Data:
    """One split; peers get standardised columns, and the time that takes."""

    def __init__(self, X, y, X_val, y_val, X_test, y_test):
        self.y, self.y_val, self.y_test = y, y_val, y_test
        self.raw = X, X_val, X_test
        start = perf_counter()
        scaler = StandardScaler().fit(X)
        T = scaler.transform(X)
        self.scaling = perf_counter() - start
        self.scaled = T, scaler.transform(X_val), scaler.transform(X_test)


def skgn_ladder(data, layers, seed, targets, most_seconds):
    """Fit with growing budgets until the loss and accuracy targets are reached."""
    X, X_val, X_test = data.raw
    runs = []
    for budget in BUDGETS:
        model = GaussNewtonMLPClassifier(layers, max_iter=budget, random_state=seed)
        seconds = fit_seconds(model, X, data.y)
        runs.append(
            {
                "budget": budget,
                "seconds": seconds,
                "loss": loss_of(model, X_val, data.y_val),
                "accuracy": model.score(X_val, data.y_val),
                "test accuracy": model.score(X_test, data.y_test),
            }
        )
        losses, accuracies = targets
        reached = min(run["loss"] for run in runs) <= min(losses)
        reached &= max(run["accuracy"] for run in runs) >= max(accuracies, default=0)
        converged = model.stop_reason_ not in ("max_iter", "schedule")
        if reached or converged or seconds > most_seconds:
            break
    return runs


def adam_path(data, layers, seed, most_epochs, most_seconds):
    """Train epoch by epoch; the clock runs in training only."""
    X, X_val, X_test = data.scaled
    model = MLPClassifier(layers, random_state=seed)
    classes = np.unique(data.y)
    runs, seconds, best, since = [], data.scaling, np.inf, 0
    for epoch in range(1, most_epochs + 1):
        start = perf_counter()
        model.partial_fit(X, data.y, classes=classes)
        seconds += perf_counter() - start
        loss = loss_of(model, X_val, data.y_val)
        accuracy = model.score(X_val, data.y_val)
        runs.append(
            {"budget": epoch, "seconds": seconds, "loss": loss, "accuracy": accuracy}
        )
        best, since = (loss, 0) if loss < best else (best, since + 1)
        if since >= PATIENCE or seconds > most_seconds:
            break
    runs[-1]["test accuracy"] = model.score(X_test, data.y_test)
    return runs


def fit_per_partial_fit(data, layers, epochs=20, pairs=3):
    """Return the time of one fit of adam, in units of as many calls of partial_fit."""
    X, classes, ratios = data.scaled[0], np.unique(data.y), []
    for seed in range(pairs):
        model = MLPClassifier(layers, random_state=seed)
        start = perf_counter()
        for _ in range(epochs):
            model.partial_fit(X, data.y, classes=classes)
        stepwise = perf_counter() - start
        ratios.append(fit_seconds(mlp(layers, seed, epochs), X, data.y) / stepwise)
    return float(np.median(ratios))


def lbfgs_ladder(data, layers, seed, most_seconds):
    """Fit with growing numbers of iterations until the loss has risen twice."""
    X, X_val, _ = data.scaled
    runs, rises = [], 0
    for budget in LBFGS_BUDGETS:
        model = mlp(layers, seed, budget, solver="lbfgs")
        seconds = data.scaling + fit_seconds(model, X, data.y)
        loss = loss_of(model, X_val, data.y_val)
        rises += bool(runs) and loss > runs[-1]["loss"]
        runs.append(
            {
                "budget": budget,
                "seconds": seconds,
                "loss": loss,
                "accuracy": model.score(X_val, data.y_val),
            }
        )
        if rises == 2 or seconds > most_seconds:
            break
    return runs


def fit_torch(X, y, layers, n_classes, rate, batch, epochs, seed):
    """Train by AdamW, with a warm-up over 5 % of the steps and linear decay."""
    torch.manual_seed(seed)
    start = perf_counter()
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y.astype(np.int64))
    widths = [X.shape[1], *layers]
    parts = []
    for fan_in, fan_out in pairwise(widths):
        parts += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    net = torch.nn.Sequential(*parts, torch.nn.Linear(widths[-1], n_classes))
    net = net.to(inputs.dtype)
    optimiser = torch.optim.AdamW(net.parameters(), lr=rate, fused=True)
    loss_function = torch.nn.CrossEntropyLoss()
    per_epoch = len(X) // batch
    total, step = epochs * per_epoch, 0
    for _ in range(epochs):
        order = torch.randperm(len(X))
        for i in range(per_epoch):
            factor = min(1.0, (step + 1) / (0.05 * total)) * (1 - step / total)
            optimiser.param_groups[0]["lr"] = rate * factor
            rows = order[i * batch : (i + 1) * batch]
            loss = loss_function(net(inputs[rows]), targets[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            step += 1
    return net, perf_counter() - start


def torch_scores(net, X, y, n_classes):
    """Return log-loss and accuracy."""
    with torch.no_grad():
        p = torch.softmax(net(torch.from_numpy(X)).double(), 1).numpy()
    return log_loss(y, p, labels=np.arange(n_classes)), float(np.mean(p.argmax(1) == y))


def torch_sweep(data, layers, rates, batches, epochs=8):
    """Choose rate and batch size by the validation log-loss; returns (rate, batch)."""
    X, X_val, _ = data.scaled
    n_classes = int(data.y.max()) + 1
    scores = {}
    for rate in rates:
        for batch in batches:
            net, _ = fit_torch(X, data.y, layers, n_classes, rate, batch, epochs, 0)
            scores[rate, batch] = torch_scores(net, X_val, data.y_val, n_classes)[0]
    return min(scores, key=scores.get)


def torch_ladder(data, layers, seed, rate, batch):
    """Fit with growing numbers of epochs, each with its own schedule."""
    X, X_val, X_test = data.scaled
    n_classes = int(data.y.max()) + 1
    runs = []
    for epochs in TORCH_BUDGETS:
        net, seconds = fit_torch(X, data.y, layers, n_classes, rate, batch, epochs, seed)
        loss, accuracy = torch_scores(net, X_val, data.y_val, n_classes)
        runs.append(
            {
                "budget": epochs,
                "seconds": data.scaling + seconds,
                "loss": loss,
                "accuracy": accuracy,
                "test accuracy": torch_scores(net, X_test, data.y_test, n_classes)[1],
            }
        )
        if len(runs) > 2 and loss > runs[-2]["loss"] > runs[-3]["loss"]:
            break
    return runs
