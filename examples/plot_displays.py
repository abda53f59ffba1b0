"""
What a fit tells of itself
==========================

A fitted network has the course of its fit, the search for its penalty and the steps of
its features as attributes. An ensemble has a table of its networks. Four displays draw
them. They work as those of scikit-learn do: ``from_estimator`` takes a fitted estimator
and, as ``ax``, the axes to draw on.

All data come with scikit-learn. matplotlib is needed.
"""

# %%
# The loss curves of a fit
# ------------------------
# The network below has found its penalty by itself. Then it was fitted to all samples,
# beginning with the weights of the search. So its first point is low already. The legend
# tells why the fit ended, and which weights it kept.

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.inspection import PartialDependenceDisplay
from sklearn.model_selection import train_test_split

from skgn import (
    AlphaPathDisplay,
    EncodingDisplay,
    GaussNewtonMLPClassifier,
    GaussNewtonMLPEnsembleClassifier,
    LossCurveDisplay,
    MembersDisplay,
)

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
net = GaussNewtonMLPClassifier((30,), random_state=0).fit(X_train, y_train)
print(f"accuracy on test samples: {net.score(X_test, y_test):.3f}")

_, ax = plt.subplots(figsize=(7, 4), layout="constrained")
LossCurveDisplay.from_estimator(net, ax=ax)
_ = ax.set_title("all samples at each iteration")

# %%
# With early stopping there is a third curve, the log-loss of the validation samples. The
# weights kept are those of its minimum. In mini-batches the points are epochs. With
# ``x="seconds"`` the curves are drawn against the time of the fit.

X_digits, y_digits = load_digits(return_X_y=True)
options = {"alpha": 1e-5, "early_stopping": True, "random_state": 0}
whole = GaussNewtonMLPClassifier(**options).fit(X_digits, y_digits)
batches = GaussNewtonMLPClassifier(batch_size=128, max_iter=12, **options)
batches.fit(X_digits, y_digits)

figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained", sharey=True)
LossCurveDisplay.from_estimator(whole, ax=axes[0])
LossCurveDisplay.from_estimator(batches, ax=axes[1], x="seconds")
axes[0].set_title("all samples at each iteration")
_ = axes[1].set(title="mini-batches", ylabel="")

# %%
# The search for a penalty
# ------------------------
# The first network has tried these penalties, from the right to the left. The first one
# is that of the evidence. The choice is the largest penalty whose log-loss on held-out
# samples is not clearly worse than the lowest. For the fit of all samples it is
# multiplied by the share of the samples that the search was trained on.

_, ax = plt.subplots(figsize=(7, 4), layout="constrained")
AlphaPathDisplay.from_estimator(net, ax=ax)
_ = ax.set_title("the penalties of the search")

# %%
# The steps of a feature
# ----------------------
# With steps, a feature becomes several columns. Each of them rises from 0 to 1 between
# two knots. What the network makes of the feature is drawn by scikit-learn's partial
# dependence; the short ticks at the bottom are its deciles. ``steps=False`` draws the
# knots over it, as grey lines. Without hidden layers the log-odds are linear from knot to
# knot.

feature = "worst texture"
additive = GaussNewtonMLPClassifier((), encoding="piecewise", random_state=0)
additive.fit(X_train, y_train)

figure, axes = plt.subplots(2, 1, figsize=(7, 6), layout="constrained")
dependence = PartialDependenceDisplay.from_estimator(
    additive,
    X_train,
    [feature],
    response_method="decision_function",
    percentiles=(0, 1),
    ax=axes[0],
)
curve = dependence.axes_[0, 0]
curve.set(title="partial dependence, and the knots", ylabel="log-odds of benign")
EncodingDisplay.from_estimator(additive, feature, ax=curve, steps=False)
EncodingDisplay.from_estimator(additive, feature, ax=axes[1])
_ = axes[1].set(title="the columns that the steps add", xlim=curve.get_xlim())

# %%
# The networks of an ensemble
# ---------------------------
# Bars are the weights of the probabilities. Beside them is the log-loss of each network
# alone, on the held-out samples. Some networks were clearly worse than the best one when
# they had begun. They were left out, and have not searched.

ensemble = GaussNewtonMLPEnsembleClassifier(random_state=0).fit(X_train, y_train)
print(f"accuracy on test samples: {ensemble.score(X_test, y_test):.3f}")

_, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
MembersDisplay.from_estimator(ensemble, ax=ax)
_ = ax.set_title("networks of the ensemble")

# %%
# The displays of a single network draw each of ``estimators_``, too.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for i, (member, ax) in enumerate(zip(ensemble.estimators_, axes, strict=False)):
    AlphaPathDisplay.from_estimator(member, ax=ax)
    ax.set_title(f"network of weight {ensemble.weights_[i]:.2f}")
plt.show()
