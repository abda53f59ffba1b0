"""Getting started in pictures
===========================

The steps of the page on getting started, with its pictures: fit a network to handwritten
digits, look at the fit, and search for the layers and the damping.

Usage: ``python examples/plot_getting_started.py [--save FOLDER]``
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split

from skgn import GaussNewtonMLPClassifier

# %%
# Fit a network
# -------------
# The pixels go in as they are: the fit standardises them. It finds its penalty, too.

X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
net = GaussNewtonMLPClassifier(random_state=0).fit(X, y)
print(f"accuracy on {len(y_test)} test samples: {net.score(X_test, y_test):.3f}")
print(f"{net.n_iter_} iterations, stop_reason_ {net.stop_reason_!r}")

# %%
# The samples it is least sure of
# -------------------------------
# Of these test samples, the largest probability is the smallest.

probabilities = net.predict_proba(X_test)
doubtful = np.argsort(probabilities.max(axis=1))[:8]
samples, axes = plt.subplots(2, 4, figsize=(7, 4), layout="constrained")
for ax, i in zip(axes.flat, doubtful, strict=True):
    guess = probabilities[i].argmax()
    ax.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    ax.set_title(
        f"{net.classes_[guess]} ({probabilities[i, guess]:.0%}), is {y_test[i]}",
        color="black" if net.classes_[guess] == y_test[i] else "#D55E00",
        fontsize=11,
    )
    ax.set_axis_off()

# %%
# The cost along the fit
# ----------------------
# The cost is the mean log-loss of the training samples.

loss, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.semilogy(net.history_["cost"], "o-", color="#0072B2")
ax.set_xlabel("iteration")
ax.set_ylabel("training cost")
ax.set_yticks([0.005, 0.01, 0.02], ["0.005", "0.01", "0.02"])
ax.yaxis.set_minor_formatter("")
ax.grid(alpha=0.3)

# %%
# Layers and damping
# ------------------
# A grid search with three folds. Lighter is better.

sizes, dampings = [(), (20,), (50,), (50, 50)], [1e-3, 1e-2, 1e-1]
search = GridSearchCV(
    GaussNewtonMLPClassifier(random_state=0),
    {"hidden_layer_sizes": sizes, "damping": dampings},
    scoring="neg_log_loss",
    cv=3,
).fit(X, y)
print(f"best: {search.best_params_}, log-loss {-search.best_score_:.4f}")

# scikit-learn sorts the parameters by name: damping varies slowest
losses = -search.cv_results_["mean_test_score"].reshape(len(dampings), len(sizes)).T
grid, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
image = ax.imshow(losses, cmap="viridis_r", aspect="auto")
for (i, j), value in np.ndenumerate(losses):
    dark = image.norm(value) > 0.5
    ax.text(j, i, f"{value:.3f}", ha="center", color="white" if dark else "black")
ax.set_xticks(range(len(dampings)), [f"{damping:g}" for damping in dampings])
ax.set_yticks(range(len(sizes)), [str(size) for size in sizes])
ax.set_xlabel("damping")
ax.set_ylabel("hidden_layer_sizes")
grid.colorbar(image, label="cross-validated log-loss")

# %%
# With ``--save FOLDER``, the script saves the pictures. Without it, it shows them.

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--save", metavar="FOLDER", help="save the figures there")
    folder = parser.parse_args().save
    if folder:
        for name, figure in {"samples": samples, "loss": loss, "grid": grid}.items():
            figure.savefig(Path(folder, f"getting_started_{name}.png"), dpi=110)
    else:
        plt.show()
