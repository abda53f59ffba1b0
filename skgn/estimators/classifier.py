"""GaussNewtonMLPClassifier: labels in, probabilities out."""

from typing import Any, ClassVar

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if

from skgn._compat import StrOptions, fit_context
from skgn.estimators.base import BaseGaussNewtonMLP
from skgn.estimators.labels import LabelEstimator
from skgn.estimators.reading import collections, is_collection, lazy_on_collections
from skgn.estimators.targets import (
    AnyTargets,
    announced,
    is_multilabel,
    learned,
)


class GaussNewtonMLPClassifier(LabelEstimator, BaseGaussNewtonMLP):
    r"""Multi-layer perceptron classifier trained by layer-wise Gauss-Newton.

    The network minimises a penalised log-loss,

    .. math::

        \frac{1}{\sum_i w_i} \sum_i w_i\, \ell(z_i, y_i)
        + \frac{\alpha}{2} \sum_l \lVert W_l \rVert^2 ,

    by steps that solve one damped least-squares problem per layer. There is no learning
    rate. With few samples (see `batch_size`) each iteration takes all of them, rescales
    the joint step by the exact Gauss-Newton model and accepts it only if the objective
    falls. With many samples the steps follow mini-batches, bounded by how far they move
    the predictions, on a schedule that anneals them to zero.

    Two older solvers are there to be studied: the equations of the forum thread that this
    package grew out of, as they were posted and with safeguards.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units of each hidden layer; ``()`` is logistic or softmax regression.
    activation : str or array-like of str, default="leaky_relu"
        Activation of the hidden layers, among "identity", "logistic", "tanh", "relu",
        "leaky_relu" (slope 0.01) and "silu"; one name, or one per hidden layer.
    solver : str, default="kronecker"
        How steps are found: "kronecker", "levenberg-marquardt", "joint" or "sequential".
        "kronecker": by Kronecker-factored Gauss-Newton blocks.
        "levenberg-marquardt": by the complete Gauss-Newton matrix of all weights
        together, at most 4,096, with geodesic acceleration; all samples at each
        iteration. Choose it to fit a smooth function without noise as closely as possible
        (``alpha=0``, ``tol=0``): within 200 iterations, two hidden layers of 20 tanh
        units come to 1e-6 of its range, but with "kronecker" to 8e-6 to 7e-4. On noisy
        data it was no more accurate, and took 1.7 to 130 times the time. It keeps the
        columns of sparse `X` dense.
        The thread's equations: "sequential", one pseudo-inverse per layer for the error
        that the layer above passes down; "joint", one ridge regression per layer, which
        passes down only what it does not explain. They need `safeguard` to converge on
        more than one hidden layer, take more time than "kronecker", and at the same `tol`
        often end at a higher objective.
    alpha : "auto" or float, default="auto"
        L2 penalty of the mean cost, on weights and not on intercepts, as in
        scikit-learn's generalised linear models. `MLPClassifier` divides its `alpha` by
        the number of samples (of a mini-batch, but with lbfgs): its ``alpha=1`` is
        ``alpha=1 / n_samples`` here. The first layer is penalised in standardised
        features if `standardize` is True.

        "auto" finds it. Below 150 samples the fit itself adapts it by the evidence, the
        probability of the labels given the penalty, and no sample is held out. From 150
        samples on a search comes first, and from 60 on where there are as many features
        as samples. 15 % of the samples (300 at least, or a third; 5,000 at most) are held
        out, or those of early stopping serve. Others, in mini-batches at most half of
        them, 50,000 at most, but 5,000 if there are as many, are trained on by the
        evidence and then at ever weaker penalties, as long as the log-loss of the
        held-out samples falls. With all samples at each iteration the network is then
        trained on at the penalty chosen. The fit of all samples begins with its weights.
        If the held-out log-loss has risen before the end, it ends at the training cost of
        the best point (`cost_threshold_`), unless early stopping watches it. The evidence
        depends on the sum of the sample weights, which stands for the number of samples.
        With the thread's solvers, "auto" is 1e-4. With "levenberg-marquardt", the
        eigenvalues that the evidence needs are exact.

        A number may be too large, an `alpha` of `MLPClassifier` for instance. If
        :meth:`fit` is then no better than the constant prediction, it warns.
    damping : float, default=None
        Initial Levenberg-Marquardt damping, positive; adapted during the fit. None is
        0.01. For the thread's solvers it is in the unit of the summed cost, None is 1,
        and with ``safeguard="sign"`` it is the initial damping of the steps' lengths.
        "joint" has it as the constant λ of its equation, where 1 is the thread's identity
        matrix. "sequential" has no other use for it and refuses it with other safeguards.
        In mini-batches and streams it does not change, and None is 0.03; with more than
        256 features it grows in proportion to them, to 0.1 at most.
    batch_size : "auto", int or None, default="auto"
        Samples of a mini-batch, at most all. None takes all samples at each iteration.
        "auto" does so below 3,000 samples, below two samples per feature and with the
        other solvers; otherwise batches have a hundredth of the samples, at least 128
        and at most 256.
    max_iter : int, default=None
        Largest number of iterations, rejected trials included; None is 100. Reaching it
        warns. In mini-batches the number of epochs, None is 20, or 12 of a fit that goes
        on from the network of a search for alpha; it is then the length of the schedule,
        and reaching it is how the fit is to end.
    tol : float, default=0.015
        Of no effect in mini-batches. With all samples, the fit has converged when over
        three accepted iterations in a row both of these are at most `tol`: the
        relative decrease ``(f_old - f_new) / f_old`` of the objective; and the scaled
        gradient norm, which is the decrease that the quadratic model promised before the
        step, divided by ``f_old``: half the squared norm of the gradient in the metric of
        the inverse damped Gauss-Newton matrix, on the plane the step was chosen from, at
        a damping of at most the largest curvature. It has also converged when the
        promised decrease is below the rounding of the objective, or the objective below
        the square of machine epsilon.
    cost_threshold : float, default=None
        Stop as soon as the training cost, without the penalty, falls to this value; in
        mini-batches its mean over the batches of an epoch.
    early_stopping : bool, default=False
        Stop when the log-loss on validation samples has reached no new minimum for
        `n_iter_no_change` accepted iterations (or epochs), and restore the weights of the
        minimum. The samples are those given to :meth:`fit`, or split off the training
        samples: stratified for single-label targets, with classes of a single sample kept
        in training.
    validation_fraction : float, default=0.1
        Share of the samples split off for early stopping, between 0 and 1.
    n_iter_no_change : int or numpy.inf, default=5
        Accepted iterations, or epochs, to wait for a new minimum of the validation
        log-loss. With infinity, early stopping only restores the weights of the minimum.
    encoding : {"auto", "piecewise"} or None, default="auto"
        What features become before they are standardised. "piecewise" puts steps beside
        each numeric feature of more than three values: with `n_knots` knots, the share of
        each interval between two of them that lies below the value. The first layer is
        then additive in piecewise-linear functions. None leaves numbers as they are.
        "auto" trains both for a while, and keeps plain numbers if they are clearly better
        on held-out samples. It does so from 150 samples on, with
        ``solver="kronecker"``, and if no more than 85 features would have steps; else,
        and in a stream, it is None. Sparse `X` stays as it is.
    n_knots : "auto" or int, default="auto"
        Knots of a numeric feature, 3 at least: its least and largest value, values that
        many samples share, and quantiles of the others. "auto" is one more than a third
        of the root of the sum of the sample weights, at least 4 and at most 49, and fewer
        where all features would have more than 256 steps together.
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Which features are categories. "from_dtype": those of a data frame whose type is
        that of categories or strings, or of objects with a string among them. None: none,
        and such features are an error. A mask, positions or names say so of any feature
        of a dense `X`. Each category of a weight of 3 or more becomes a column, all
        others together another one, and missing cells one more. Of more than 20
        categories only frequent ones have columns of their own, and the mean target of
        each category, by other samples, stands beside them (not for multilabel targets,
        more than 30 classes, and streams). Unknown categories at prediction count as rare
        ones; where there are none, as the mean of all.
    standardize : bool, default=True
        Centre the features and divide them by their standard deviation, or by a tenth of
        their largest deviation from the mean if that is more, both weighted by
        `sample_weight`. Sparse `X` is centred implicitly and not densified.
    class_weight : dict or "balanced", default=None
        Weights of the classes, ``{label: weight}``; classes that a dict leaves out have
        weight 1. "balanced" is inversely proportional to the weighted class frequencies.
        The weights are rescaled to leave the total weight of the samples. Not supported
        for multilabel targets.
    order : {"jacobi", "gauss_seidel"}, default="jacobi"
        For ``solver="sequential"``: whether a layer passes its error down by its weights
        before the step ("jacobi") or after it ("gauss_seidel").
    safeguard : {"sign", "line_search", None}, default="sign"
        What keeps the thread's solvers from diverging. "sign": each component of a step
        takes the sign of the negative gradient (in the first layer along the principal
        axes of the samples), each unit's step its length from the exact Gauss-Newton
        model, and only a lower objective is accepted. "line_search": the step is halved
        until the objective falls, an iteration each time. None: every step is taken; if
        the fit diverges, it keeps its best weights and warns.
    step_size : float, default=1.0
        For the thread's solvers: fraction of a proposed step that is tried first,
        positive and at most 1. The thread has 0.5.
    warm_start : bool, default=False
        Start from the weights of the previous fit. The features, classes and hidden
        layers must be the same. The encoding of the previous fit is kept. With
        ``alpha="auto"``, a penalty that the previous fit has found by a search is kept,
        and so are `alpha_path_` and the threshold found. In mini-batches the fit
        goes on where the previous one ended: with its curvature, with steps of a constant
        size in place of a new schedule, and with the running mean of the weights as its
        result, for `max_iter` further epochs. The history and `n_iter_` are those of the
        latest fit.
    random_state : int, RandomState instance or None, default=None
        Draws the initial weights, the validation split and the mini-batches.
    verbose : bool or int, default=False
        Print a line per penalty that is tried and for the one found, and one per
        iteration, epoch or call of :meth:`partial_fit`: cost, gradient norm, damping,
        penalty, gain ratio, step, seconds, log-loss and accuracy of validation samples.

    Attributes
    ----------
    alpha_ : float
        The penalty of the fit: the one given, or found; in a stream that of the latest
        chunk.
    alpha_path_ : dict of ndarray of shape (n_points,), or None
        Where samples were held out to find the penalty: the penalties that were tried,
        "alpha", the evidence's first, and the log-loss of the held-out samples,
        "log_loss". `alpha_` is one of them times the share of the samples that were
        trained on.
    cost_threshold_ : float or None
        Training cost at which the fit was to end: `cost_threshold`, or the one that
        held-out samples called for, whichever is larger. The fit may have converged above
        it.
    encoder_ : Encoder or None
        What the features become before they are standardised: its `knots`, the means that
        stand for missing cells, `fill`, and the tables of its `categories`. None after a
        fit of sparse `X`. See :meth:`encode`.
    encoded_feature_names_out_ : ndarray of shape (n_encoded,)
        Names of the encoded columns: of features, ``_step0`` and so forth, names of
        categories, and what else there is.
    categories_ : list of ndarray or None, length `n_features_in_`
        Categories of each feature, None of a number.
    classes_ : ndarray of shape (n_classes,)
        Class labels in sorted order; the numbers of the labels for multilabel targets.
    class_weight_ : ndarray of shape (n_classes,)
        Factor that `class_weight` puts on the weights of each class's samples, in
        training and validation alike.
    coefs_ : tuple of ndarray of shape (n_units_below, n_units)
        Weights of each layer, for raw `X` (its encoded columns, see :meth:`encode`), in
        the precision of the fit; read-only, like the next ones.
    intercepts_ : tuple of ndarray of shape (n_units,)
        Intercepts of each layer, for raw `X`.
    mean_, scale_ : ndarray of shape (n_encoded,)
        Centre and scale of the encoded columns, float64; zeros and ones where
        `standardize` is False. Predictions standardise with them: intercepts folded for
        raw `X` lose digits where a feature's mean is many deviations.
    n_effective_parameters_ : float
        Number of well-determined parameters, ``γ = Σ e / (e + alpha_)`` over the
        eigenvalues e of the Kronecker blocks for the weights, or of the complete matrix
        with "levenberg-marquardt"; NaN with the thread's solvers, and where features are
        so large that the eigenvalues are not finite.
    n_iter_ : int
        Number of iterations, rejected trials included; of epochs in mini-batches; of
        calls in a stream, in addition to those of the fit that it goes on from.
    best_iter_ : int
        The iteration, epoch or call whose weights are kept: an index into `history_`.
    n_layers_ : int
        Number of layers, the input included.
    n_outputs_ : int
        Number of outputs: 1 for two classes, otherwise classes or labels.
    out_activation_ : {"logistic", "softmax"}
        Activation of the output.
    activations_ : tuple of str
        Activation of each hidden layer.
    loss_ : float
        Penalised objective at the final weights; in mini-batches and streams the mean
        over the batches of the last epoch, each before its step.
    best_loss_ : float or None
        Smallest value of `loss_curve_`; None with early stopping.
    loss_curve_ : list of float, length ``n_iter_ + 1``
        Penalised objective at the start and after each iteration. It never rises, unless
        ``safeguard=None``, or where the penalty itself rises ("auto", few samples). In
        mini-batches that of a first batch and the mean over the batches of each epoch,
        which may rise. A stream has an entry per call, and none for the start; after a
        fit they follow its entries.
    validation_scores_ : list of float or None, length ``n_iter_ + 1``
        Accuracy on the validation samples (of all labels at once, for multilabel
        targets), at the start and after each iteration. None without early stopping. What
        the fit watches is their log-loss, ``history_["validation_loss"]``.
    best_validation_score_ : float or None
        Largest value of `validation_scores_`. The weights are those of the lowest
        log-loss, ``validation_scores_[best_iter_]``.
    stop_reason_ : str
        Why the fit ended: "converged", "cost_threshold" (see `cost_threshold_`),
        "validation" (see `early_stopping`), "max_iter", "schedule" (all epochs of a
        mini-batch fit are done), "partial_fit" (a stream, which may go on), "damping" (no
        step of any size lowers the objective), "line_search" (no fraction of the step
        does), "diverged" (unguarded steps ended at an objective that is not finite or
        above the first; or a mini-batch fit was no longer finite), "interrupted" (by
        Ctrl-C), "callback" (an observer asked for it) or "single_class" (nothing to fit).
    damping_ : float
        Damping at the end, in the unit of the mean cost.
    history_ : dict of ndarray of shape (`n_iter_` + 1,)
        One entry for the start and one per iteration or epoch: "objective", "cost",
        "gradient_norm", "damping" (after the iteration, in the unit of the mean cost: for
        the thread's solvers divided by the sum of weights), "alpha", "gain_ratio" (NaN
        where there was no trial), "step_length" (norm of the change of the weights, 0
        where the trial was rejected), "seconds" (since the start of the fit, the search
        for a penalty included), "validation_loss" and "validation_score". In mini-batches
        means over an epoch.
        ``pandas.DataFrame(est.history_)`` makes a table of it.
    n_features_in_ : int
        Number of features seen in :meth:`fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where `X` had names that are all strings.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : Trained by stochastic gradients or L-BFGS.
    sklearn.linear_model.LogisticRegression : The network without hidden layers.

    Notes
    -----
    Beside one standardised copy of a dense `X`, a full-batch fit holds some nine arrays
    of the size of the hidden activations of all samples, a mini-batch fit those of a
    batch. In mini-batches a memory-mapped `X` (``numpy.memmap`` of float32 or float64, of
    100 MB or more) is not copied; its samples are read in blocks of 16 neighbours, so
    that a sorted file should be shuffled before. Of a sparse `X` the stored entries are
    copied. float32 takes half the memory of float64 and less time. Encoded rows are
    copied up to 100 MB in mini-batches; above, each batch is encoded when it is its turn.

    Missing numbers (NaN, None, pandas.NA) become the mean of the feature. Where training
    samples lack some, another column tells which. Booleans are numbers. Dates and
    durations are an error. Nothing is learned from validation samples, and of the samples
    that a search holds out no target.

    Features may have any unit. Values above 1e300 (1e35 in float32) are refused. Features
    all of whose values are below 1e-300 (1e-30) count as constant, and so do those whose
    mean is more than some 1e15 (1e6) deviations, of which the precision keeps no digit.

    Collections of dask are fitted on the cluster of the present ``distributed.Client``:
    with ``batch_size=None`` as here, in mini-batches with a hundred batches per epoch, or
    of `batch_size` samples of all workers together. Searches, knots and mean targets have
    a random sample of at most 55,000 samples, which comes to the client. Predictions for
    collections are dask arrays.

    A pickle or skops file holds plain values and arrays; skops has to trust this class
    alone. That of a stream also holds what the stream goes on with, until
    :meth:`end_stream`.

    References
    ----------
    J. Martens and R. Grosse, "Optimizing neural networks with Kronecker-factored
    approximate curvature", ICML 2015.

    D. MacKay, "A practical Bayesian framework for backpropagation networks", Neural
    Computation 4, 1992.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from skgn import GaussNewtonMLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     X, y, stratify=y, random_state=0
    ... )
    >>> clf = GaussNewtonMLPClassifier(random_state=0).fit(X_train, y_train)
    >>> clf.score(X_test, y_test) > 0.96
    True
    >>> clf.alpha_ < 1e-2
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseGaussNewtonMLP._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="leaky_relu",
        *,
        solver="kronecker",
        alpha="auto",
        damping=None,
        batch_size="auto",
        max_iter=None,
        tol=1.5e-2,
        cost_threshold=None,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        standardize=True,
        encoding="auto",
        n_knots="auto",
        categorical_features="from_dtype",
        class_weight=None,
        order="jacobi",
        safeguard="sign",
        step_size=1.0,
        warm_start=False,
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.damping = damping
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.cost_threshold = cost_threshold
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.standardize = standardize
        self.encoding = encoding
        self.n_knots = n_knots
        self.categorical_features = categorical_features
        self.class_weight = class_weight
        self.order = order
        self.safeguard = safeguard
        self.step_size = step_size
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Fit the network.

        Parameters
        ----------
        X : {array-like, data frame, sparse matrix} of shape (n_samples, n_features)
            Training samples. float32 is fitted in float32, all else in float64. NaN is a
            missing cell, but for sparse `X`, where it is an error. Arrays and frames of
            dask are fitted on their cluster, with `y` and weights that are collections,
            too; see Notes of the class.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels; or a binary indicator matrix for multilabel targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative; a weight of 2 is a sample repeated, and
            samples of weight 0 do not count.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Validation samples for early stopping, in place of a part of `X`. In a
            `Pipeline`, `X_val` is transformed like `X` with
            ``Pipeline(..., transform_input=["X_val"])``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Their labels, all of which occur in `y`.
        sample_weight_val : array-like of shape (n_val,), default=None
            Their weights.

        Returns
        -------
        self : GaussNewtonMLPClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, or the data, cannot be fitted; the message names which. The
            estimator is then as it was before.
        TypeError
            If a column of a data frame has dates, durations, or categories that are not
            to be read as such; the message names it.
        KeyboardInterrupt
            If the fit is interrupted. From the first accepted iteration on, or the first
            epoch, the estimator then has its best weights, and `stop_reason_` is
            "interrupted". Any other exception leaves it as it was before.

        Warns
        -----
        ConvergenceWarning
            If the fit ended because of `max_iter` (not in mini-batches), because no step
            lowered the objective, or because it diverged; or if the `alpha` given leaves
            it no better than the constant prediction. The estimator then has its best
            weights.
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @available_if(BaseGaussNewtonMLP._can_stream)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Take one epoch of mini-batch steps over a chunk of samples.

        Steps have a constant, bounded size, since a stream has no end to anneal to; the
        weights are a running mean of the latest iterates. Curvature and the statistics of
        the features last from call to call: when a feature's centre or scale moves, the
        first layer is re-expressed so that the function of raw `X` stays what it is,
        unless the scale more than doubles, or the mean goes far away. Values far beyond
        those of 99 % of a chunk do not count in the statistics. After :meth:`fit`, the
        stream goes on from its weights, and its history from that of the fit.
        `max_iter`, `tol` and `cost_threshold` have no effect here; ``alpha="auto"`` is
        adapted by the evidence, and ``batch_size="auto"`` is up to 128 samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A chunk of samples. The first one's precision is that of the stream.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their labels; or a binary indicator matrix for multilabel targets.
        classes : array-like of shape (n_classes,), default=None
            All labels that will occur in the stream. Required at the first call, but for
            multilabel targets; may be left out later.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative; they count relative to the mean weight
            of all samples so far.

        Returns
        -------
        self : GaussNewtonMLPClassifier
            The estimator, fitted to one more chunk.

        Raises
        ------
        ValueError
            If `classes` is missing at the first call, or `y` has labels that it lacks;
            if ``early_stopping=True`` or ``class_weight="balanced"``, neither of which
            can be had without all samples; or if the data cannot be fitted. The estimator
            is then as it was before, as it is after an interrupt.
        TypeError
            If a column of a data frame has dates, durations, or categories that are not
            to be read as such; the message names it.

        Warns
        -----
        ConvergenceWarning
            If weights or gradients were no longer finite; the chunk is then skipped.
        """
        self._partial_fit(X, y, classes, sample_weight)
        return self

    @lazy_on_collections
    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Labels of `classes_`; a binary indicator matrix for multilabel targets.
        """
        Z = self._outputs(X)
        if self._multilabel:
            return (Z > 0).astype(np.int64)
        if self.n_outputs_ == 1:
            return self.classes_[(Z[:, 0] > 0).astype(np.intp)]
        return self.classes_[Z.argmax(axis=1)]

    @lazy_on_collections
    def predict_proba(self, X):
        """Predict probabilities.

        They are computed in the precision of the fit, and returned in float64.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes) or (n_samples, n_outputs)
            Probability of each class, in the order of `classes_`; for multilabel
            targets, the probability of each label.
        """
        Z = self._outputs(X)
        return self._targets.loss.prediction(self._two_sided(Z))

    @lazy_on_collections
    def predict_log_proba(self, X):
        """Predict the logarithms of probabilities; they are finite.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes) or (n_samples, n_outputs)
            Logarithm of :meth:`predict_proba`, without its underflow.
        """
        Z = self._outputs(X)
        return self._targets.loss.log_prediction(self._two_sided(Z))

    @lazy_on_collections
    def decision_function(self, X):
        """Return the outputs of the network before the sigmoid or softmax.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, `n_outputs_`)
            Log-odds of ``classes_[1]`` for two classes, zeros for one class; otherwise
            one column per class or label.
        """
        Z = self._outputs(X)
        return Z if self._multilabel or self.n_outputs_ > 1 else Z[:, 0]

    def score(self, X, y, sample_weight=None):
        """Return the accuracy of predicted labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Their weights.

        Returns
        -------
        score : float
            Share of the samples whose labels are all right. Of a dask collection, too,
            labels alone come from the workers.
        """
        if not is_collection(X):
            return super().score(X, y, sample_weight)
        # only here: its package takes as long to import as this one
        from sklearn.metrics import accuracy_score

        return collections().score(accuracy_score, self, X, y, sample_weight)

    def _chunk_targets(
        self, y: Any, classes: Any, earlier: AnyTargets | None
    ) -> AnyTargets:
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit, which does "
                "not see all samples at once. Give a dict of weights, or sample_weight."
            )
        multilabel = is_multilabel(y)
        if earlier is None and multilabel:
            return learned(y, np.ones(y.shape[0]), self.class_weight)[0]
        if earlier is None:
            if classes is None:
                raise ValueError(
                    "classes must be passed on the first call to partial_fit."
                )
            return announced(classes, self.class_weight)
        if multilabel != self._multilabel:
            raise ValueError("y must be of the same kind in all calls to partial_fit.")
        if multilabel:
            if y.shape[1] != self.n_outputs_:
                raise ValueError(
                    f"y has {y.shape[1]} labels, but the first call to partial_fit had "
                    f"{self.n_outputs_}."
                )
        elif classes is not None and not np.array_equal(
            self.classes_, np.unique(column_or_1d(classes))
        ):
            raise ValueError(
                f"classes={classes!r} is not the same as on the last call to "
                f"partial_fit, {self.classes_!r}."
            )
        return earlier
