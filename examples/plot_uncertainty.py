r"""How sure is a regressor of its predictions?
===========================================

``predict(X, return_std=True)`` returns the standard deviation of a new target beside its
prediction: the noise that the fit has found, and what the last layer's posterior leaves
open. The samples here leave a gap in the middle. The band should have the width of the
noise where there are samples, and be wider in the gap and beyond the ends.

Usage: ``python examples/plot_uncertainty.py``
"""

import matplotlib.pyplot as plt
import numpy as np

from skgn import GaussNewtonMLPRegressor

# %%
# The samples
# -----------
# A sine with noise of a standard deviation of 0.15, and no samples between -1 and 1.

NOISE = 0.15
rng = np.random.default_rng(0)
x = np.concatenate([rng.uniform(-4, -1, 150), rng.uniform(1, 4, 150)])
y = np.sin(2 * x) + NOISE * rng.normal(size=len(x))

# %%
# Three networks
# --------------
# The evidence finds the penalty and the noise. No validation samples are needed for that.

grid = np.linspace(-6, 6, 500)
networks = {
    "tanh, 30 units": {"hidden_layer_sizes": (30,), "encoding": None},
    "tanh, 100 units": {"encoding": None},
    "tanh, 100 units, piecewise": {"encoding": "piecewise"},
}
fits = {}
for name, parameters in networks.items():
    net = GaussNewtonMLPRegressor(activation="tanh", random_state=0, **parameters)
    fits[name] = net.fit(x[:, None], y)
    print(f"{name}: noise {net.noise_:.3f}, {net.n_effective_parameters_:.0f} parameters")

# %%
# The bands
# ---------
# They hold 90 % of new targets, if the network is right. How fast they widen away from
# the samples is the network's own idea of what may be there. A piecewise encoding has no
# knot in the gap, and goes on in straight lines.

fig, axes = plt.subplots(1, 3, figsize=(12, 3.8), sharey=True, layout="constrained")
for ax, (name, net) in zip(axes, fits.items(), strict=True):
    mean, std = net.predict(grid[:, None], return_std=True)
    low, high = mean - 1.645 * std, mean + 1.645 * std
    ax.fill_between(grid, low, high, alpha=0.25, label="90 % of new targets")
    ax.plot(grid, mean, label="prediction")
    ax.plot(grid, np.sin(2 * grid), "k--", linewidth=0.8, label="the function")
    ax.plot(x, y, ".", color="0.4", markersize=3, label="samples")
    ax.set(title=name, xlabel="x", ylim=(-3, 3))
axes[0].set_ylabel("y")
axes[0].legend(loc="upper center", fontsize=8, ncols=2)
plt.show()

# %%
# New samples of the same kind show how many fall into the bands.

new = np.concatenate([rng.uniform(-4, -1, 2000), rng.uniform(1, 4, 2000)])
targets = np.sin(2 * new) + NOISE * rng.normal(size=len(new))
for name, net in fits.items():
    mean, std = net.predict(new[:, None], return_std=True)
    covered = np.mean(np.abs(targets - mean) < 1.645 * std)
    print(f"{name}: {covered:.1%} of new targets are in the band")
