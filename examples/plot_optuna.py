"""
A search that ends hopeless fits
================================

`Optuna <https://optuna.readthedocs.io>`_ searches for parameters, and learns from trial
to trial where to look. It can also end a trial that does badly. For that it wants to know
how a fit stands while it runs. A callback of scikit-learn tells it after each iteration
or epoch.

scikit-learn 1.9, Optuna and matplotlib are needed.
"""

# %%
# The callback
# ------------
# scikit-learn calls ``on_fit_task_end`` for each task of a fit. The tasks "validation"
# hold the validation samples that `fit` was given, and the network as it is. The callback
# reports its log-loss. It returns True to end the fit.

import matplotlib.pyplot as plt
import optuna
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skgn import GaussNewtonMLPClassifier


class Pruning:
    """Tells a trial of the validation log-loss, and asks it whether to go on."""

    def __init__(self, trial):
        self.trial = trial

    def setup(self, estimator, context):
        self.iterations = 0

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        if context.task_name != "validation" or fitted_estimator is None:
            return False
        self.iterations += 1
        loss = log_loss(y, fitted_estimator.predict_proba(X))
        self.trial.report(loss, self.iterations)
        return self.trial.should_prune()


# %%
# The study
# ---------
# A trial is a network of one to three hidden layers with a penalty of its own. If the
# callback has ended the fit, ``stop_reason_`` is "callback", and the trial is pruned. The
# others give the validation log-loss of the weights that the fit has kept.

X, y = make_classification(2500, 20, n_informative=10, flip_y=0.1, random_state=0)
X, X_test, y, y_test = train_test_split(X, y, test_size=500, random_state=0)
X, X_val, y, y_val = train_test_split(X, y, test_size=500, random_state=0)


def network(parameters):
    """Return the network of a trial."""
    return GaussNewtonMLPClassifier(
        (parameters["units"],) * parameters["layers"],
        parameters["activation"],
        alpha=parameters["alpha"],
        encoding=None,
        early_stopping=True,
        random_state=0,
    )


def objective(trial):
    """Fit the network of a trial; return its validation log-loss."""
    trial.suggest_int("layers", 1, 3)
    trial.suggest_int("units", 5, 50, log=True)
    trial.suggest_categorical("activation", ["leaky_relu", "tanh"])
    trial.suggest_float("alpha", 1e-5, 1e-1, log=True)
    net = network(trial.params).set_callbacks(Pruning(trial))
    net.fit(X, y, X_val=X_val, y_val=y_val)
    if net.stop_reason_ == "callback":
        raise optuna.TrialPruned
    return log_loss(y_val, net.predict_proba(X_val))


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
)
study.optimize(objective, n_trials=30)

pruned = study.get_trials(states=[optuna.trial.TrialState.PRUNED])
print(f"{len(study.trials)} trials, {len(pruned)} of them pruned")
print(f"best: {study.best_params}, validation log-loss {study.best_value:.3f}")

# %%
# The best network is fitted again, without the callback. The test samples tell how good
# it is: the study has chosen it by the validation samples, so their log-loss is too low.

best = network(study.best_params).fit(X, y, X_val=X_val, y_val=y_val)
print(f"test log-loss {log_loss(y_test, best.predict_proba(X_test)):.3f}")

# %%
# The default, for comparison, finds its penalty in a single fit.

default = GaussNewtonMLPClassifier(random_state=0).fit(X, y)
print(f"of the default {log_loss(y_test, default.predict_proba(X_test)):.3f}")

# %%
# Each line below is a trial. The median pruner ends one whose best log-loss so far is
# above the median of what the others had at the same iteration.

_, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for trial in study.trials:
    steps, losses = zip(*trial.intermediate_values.items(), strict=True)
    if trial in pruned:
        ax.plot(steps, losses, color="#D55E00", lw=1, marker="x", markevery=[-1])
    else:
        ax.plot(steps, losses, color="#0072B2", lw=1, marker="o", ms=4, markevery=[-1])
ax.plot([], [], color="#0072B2", marker="o", ms=4, label="complete")
ax.plot([], [], color="#D55E00", marker="x", label="pruned")
ax.set(xlabel="iteration", ylabel="validation log-loss", yscale="log")
ax.legend()
plt.show()
