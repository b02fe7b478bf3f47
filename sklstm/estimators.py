"""LSTMClassifier and LSTMRegressor: parameters, docs, the scikit-learn contract."""

import math
from dataclasses import replace
from numbers import Real

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils._param_validation import Interval, StrOptions

from sklstm._base import BaseLSTM, said_of
from sklstm._settings import plain_float
from sklstm._targets import (
    LOG_LINK,
    ClassTargets,
    RegressionTargets,
    balanced_weights,
    check_all_classes,
    check_classes,
    check_real,
    refuse_below,
    refuse_unknown,
    refuse_weights_of_others,
    refuse_zeros,
    weights_of_classes,
)


def _r_squared(y, prediction, weights):
    """Return R², minus infinity where it is beyond float64."""
    # In units of a power of two, which is exact, no square overflows or vanishes.
    largest = np.maximum(np.abs(y).max(axis=0), np.abs(prediction).max(axis=0))
    _, exponent = np.frexp(largest)
    y, prediction = np.ldexp(y, -exponent), np.ldexp(prediction, -exponent)
    with np.errstate(over="ignore"):
        return r2_score(y, prediction, sample_weight=weights)


class LSTMRegressor(RegressorMixin, BaseLSTM):
    """Long short-term memory (LSTM) network for regression on sequences.

    The network reads a sequence step by step through gated cells [1]_ [2]_, optionally
    in both directions [3]_, and predicts one target, or several, from what its
    states sum up to.
    It minimises the squared error, or another loss.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64,)
        Hidden units of each recurrent layer, bottom up (in each direction).

    bidirectional : bool, default=False
        Whether each layer also reads the sequence from its end.

    pooling : {'last', 'mean', 'max'}, default='last'
        What sums a sequence up for the layers above the recurrent ones: the hidden
        state at the last step (with `bidirectional` next to it that of the backward
        direction at the first step), or the mean or the maximum, unit by unit, over all
        steps (of each direction).

    head_layer_sizes : int or array-like of int, default=()
        Units of dense ReLU layers between the recurrent layers and the output.

    standardize : bool, default=True
        Whether the network sees each channel less its mean, over its standard
        deviation, both weighted with `sample_weight` and of the first `fit` or
        `partial_fit`. False passes values on as they are.

    n_channels : int, default=None
        For 2-D X without `window`: the channels of a step. A row of X then is
        ``n_steps * n_channels`` values, time first. None means 1. For any other X: the
        number expected, where given.

    window : int, default=None
        For 2-D X: rows are consecutive steps of one long series, and the sample of a
        row is that row and the ``window - 1`` before it, fewer at the start. None
        makes each row a sequence of its own.

    group_column : str or int, default=None
        With `window`: the column of X that says which series a row is of, by name or
        position. It is no channel.

    dropout : float, default=0.0
        In training, the share of what each recurrent layer but the first takes from
        below that is set to zero, anew for each step; and of what sums a sequence up.

    recurrent_dropout : float, default=0.3
        In training, the share of the hidden state before that is set to zero, the same
        units in all steps of a sequence [7]_.

    solver : {'adam', 'sgd'}, default='adam'
        The optimizer: Adam [4]_, or gradient descent with momentum [5]_.

    alpha : float, default=0.0
        Strength of the L2 penalty on weights (not biases). As in scikit-learn's MLPs it
        is divided by the size of the minibatch.

    batch_size : int or 'auto', default='auto'
        Sequences in a minibatch; "auto" is 32, for more than 8,192 samples a 256th of
        them, up to 256. More than there are samples is clipped, with a warning.

    learning_rate : {'constant', 'invscaling', 'adaptive', 'cosine'}, default='cosine'
        How the step size goes on from `learning_rate_init`, for either solver:

        - "constant": it stays;
        - "invscaling": in an epoch that `t_` samples were seen before it is
          ``learning_rate_init / (t_ + 1) ** power_t``;
        - "adaptive": it stays while training improves, and is divided by 5 where
          training would stop, which it then does not, down to 1e-6;
        - "cosine": over `max_iter` epochs it goes up for the first 20th, then down to
          0 along half a cosine [6]_.

    learning_rate_init : float, default=0.005
        The step size.

    power_t : float, default=0.5
        The exponent of "invscaling".

    max_iter : int or 'auto', default='auto'
        Most epochs to train; "auto" is as many as have 2,000 minibatches, at least 10.

    max_grad_norm : float, default=1.0
        A minibatch's gradient of a larger norm is scaled down to it. None turns this
        off.

    bptt_length : int, default=None
        For long sequences: gradients are cut every so many steps, counted from a
        sequence's start, while states are carried on. Training then keeps all that it
        computes for so many steps only, and of the others one state each time. Not with
        `bidirectional`. None cuts nowhere.

    shuffle : bool, default=True
        Whether samples are put in a new order each epoch.

    random_state : int, RandomState instance or None, default=None
        Decides initial weights, held-out samples, shuffling and dropout. An int gives
        the same result in each call, to the last bit, for any `n_jobs`.

    tol : float, default=1e-4
        Training stops when the loss (with `early_stopping` the validation score) has
        not improved by `tol` for more than `n_iter_no_change` epochs in a row; not with
        ``learning_rate="cosine"``, which has an end of its own.

    verbose : bool or int, default=False
        Whether to print a line for each epoch: its loss, validation score, mean norm
        of the gradient, and time.

    warm_start : bool, default=False
        Whether `fit` goes on from the weights, scales (of channels and targets) and
        curves of the fit before, rather than starting anew. What the network was built
        for cannot change then. "cosine" begins again.

    momentum : float, default=0.9
        Of "sgd": the part of the last step that the next one begins with, 0 to 1.

    nesterovs_momentum : bool, default=True
        Whether "sgd" takes the gradient's step from where the momentum leads [5]_.

    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of Adam's estimates of the gradient's first and second moment.

    epsilon : float, default=1e-8
        Added to the denominator of Adam's step.

    early_stopping : bool, default=False
        Whether to hold `validation_fraction` of the samples out, unless `fit` is given
        `X_val` and `y_val`, to stop when the score on them no longer improves (see
        `tol`; not with "cosine"), and to keep the weights of the best epoch. With
        `window` the last part of each series is held out, else a random part.

    validation_fraction : float, default=0.1
        Share of the samples that `early_stopping` holds out.

    n_iter_no_change : int or np.inf, default=10
        Most epochs in a row that may not improve by `tol`. One more, and training
        stops, as in scikit-learn's MLPs; with "cosine" it does not.

    loss : {'squared_error', 'absolute_error', 'quantile', 'poisson', 'gamma'}, \
            default='squared_error'
        What training makes small, as in ``HistGradientBoostingRegressor``: half the
        squared error, the absolute error, the pinball loss of a `quantile`, half the
        deviance of a Poisson or a gamma distribution, for which the network predicts
        the logarithm of the mean. Of several outputs the mean.

    quantile : float, default=None
        Which quantile is predicted with ``loss="quantile"``, from 0 to 1.

    normalize_y : bool, default=True
        Whether the network is trained on targets of mean 0 and standard deviation 1
        (with the losses "poisson" and "gamma", of mean 1), and its predictions scaled
        back. Losses then are in these units.

    dtype : {'float32', 'float64'}, default='float32'
        What the network computes in, whatever the dtype of X.

    n_jobs : int, default=None
        Threads: 32 at most, and no more than one for each 16 samples of a minibatch, or
        of X in a prediction, nor than a short prediction is worth. None means 1 unless
        joblib's ``parallel_config`` says otherwise, -1 means all cores; at most
        NUMBA_NUM_THREADS where that is set, as joblib does in processes that share the
        cores. The result does not depend on it.

    Attributes
    ----------
    n_features_in_ : int
        Columns of 2-D X, channels of 3-D and ragged X.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X was a DataFrame, or a list of DataFrames, whose
        columns are all strings.

    n_iter_ : int
        Epochs of the last fit.

    t_ : int
        Samples seen in training.

    loss_ : float
        Loss of the last epoch.

    best_loss_ : float or None
        The least of all; None with `early_stopping`.

    loss_curve_, grad_norm_curve_ : list of float
        Loss, and mean norm of the minibatches' gradients before `max_grad_norm`, of
        each epoch.

    validation_scores_ : list of float or None
        R² of each epoch on the held-out samples, or where `loss` is not the squared
        error, minus their mean loss; None without `early_stopping`.

    best_validation_score_ : float or None
        The highest of them; None without `early_stopping`.

    n_layers_ : int
        Layers: input, recurrent, dense and output.

    n_outputs_ : int
        Units of the output layer.

    out_activation_ : str
        "exp" for the losses "poisson" and "gamma", else "identity".

    X_offset_, X_scale_ : ndarray of shape (n_channels,), dtype float64, or None
        Mean and standard deviation of each channel, if `standardize`. The scale of a
        constant channel is 1.

    weights_ : dict of str to ndarray
        Named, writable views of the weights, with the names, shapes and gate order
        (i, f, g, o) of ``torch.nn.LSTM`` (its two biases summed): ``weight_ih_l0``,
        ``weight_hh_l0``, ``bias_l0``, ``weight_ih_l0_reverse``, ..., and
        ``head.weight_0``, ``head.bias_0``, ... for the dense layers and the output.
        Write into the arrays, as in ``weights_["bias_l0"][:] = 0``.

    See Also
    --------
    LSTMClassifier : The same for classes.
    sklstm.preprocessing.PerStep : Scales the channels of sequences.

    References
    ----------
    .. [1] Hochreiter, S. & Schmidhuber, J., "Long short-term memory", Neural
       Computation 9(8), 1997.
    .. [2] Gers, F. A., Schmidhuber, J. & Cummins, F., "Learning to forget: continual
       prediction with LSTM", Neural Computation 12(10), 2000.
    .. [3] Schuster, M. & Paliwal, K. K., "Bidirectional recurrent neural networks",
       IEEE Transactions on Signal Processing 45(11), 1997.
    .. [4] Kingma, D. P. & Ba, J., "Adam: a method for stochastic optimization",
       ICLR, 2015.
    .. [5] Sutskever, I., Martens, J., Dahl, G. & Hinton, G., "On the importance of
       initialization and momentum in deep learning", ICML, 2013.
    .. [6] Loshchilov, I. & Hutter, F., "SGDR: stochastic gradient descent with warm
       restarts", ICLR, 2017.
    .. [7] Gal, Y. & Ghahramani, Z., "A theoretically grounded application of dropout in
       recurrent neural networks", NeurIPS, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n_steps, 1)) for n_steps in rng.integers(5, 15, 300)]
    >>> y = [sequence.mean() for sequence in X]
    >>> model = LSTMRegressor(random_state=0)
    >>> bool(model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.9)
    True
    """

    _parameter_constraints = {
        **BaseLSTM._parameter_constraints,
        "loss": [
            StrOptions(
                {"squared_error", "absolute_error", "quantile", "poisson", "gamma"}
            )
        ],
        "quantile": [Interval(Real, 0, 1, closed="both"), None],
        "normalize_y": ["boolean"],
    }
    _channels_as_one = True
    _architecture_parameters = (
        *BaseLSTM._architecture_parameters,
        "loss",
        "normalize_y",
    )

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        *,
        bidirectional=False,
        pooling="last",
        head_layer_sizes=(),
        standardize=True,
        n_channels=None,
        window=None,
        group_column=None,
        dropout=0.0,
        recurrent_dropout=0.3,
        solver="adam",
        alpha=0.0,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=0.005,
        power_t=0.5,
        max_iter="auto",
        max_grad_norm=1.0,
        bptt_length=None,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        loss="squared_error",
        quantile=None,
        normalize_y=True,
        dtype="float32",
        n_jobs=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.head_layer_sizes = head_layer_sizes
        self.standardize = standardize
        self.n_channels = n_channels
        self.window = window
        self.group_column = group_column
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.max_grad_norm = max_grad_norm
        self.bptt_length = bptt_length
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.loss = loss
        self.quantile = quantile
        self.normalize_y = normalize_y
        self.dtype = dtype
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch, at a constant rate, from where training has come to.

        The first call builds the network, and learns the scales of channels and
        targets.

        Parameters
        ----------
        X : array-like or list of array-likes
            Sequences in any of the forms that `fit` takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, at least 0.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError or TypeError
            If an argument or parameter cannot be used, `early_stopping` is set, or what
            the network was built for has changed; the message names it.
        """
        return self._partial_fit(X, y, sample_weight, lambda training: training)

    def score(self, X, y, sample_weight=None):
        """Return R², the coefficient of determination of the predictions for X.

        Parameters
        ----------
        X : array-like or list of array-likes
            Sequences in any of the forms that `fit` takes, with as many channels.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, at least 0.

        Returns
        -------
        score : float
            At best 1; 0 is that of the mean of y. Of several outputs the mean.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError or TypeError
            If an argument cannot be used; the message names it.
        """
        return _r_squared(*self._compared(X, y, sample_weight, check_real))

    def _check_y(self, y, n_samples):
        y = check_real(y, n_samples, self)
        if self.loss in LOG_LINK:
            refuse_below(y, self.loss)
        return y

    def _architecture_now(self):
        quantile = {"quantile": self.quantile} if self.loss == "quantile" else {}
        return super()._architecture_now() | quantile

    def _remedies(self):
        scale = [] if self.normalize_y else ["scale y or set normalize_y=True"]
        return [*super()._remedies(), *scale]

    def _make_targets(self, training):
        if self.loss == "quantile" and self.quantile is None:
            raise ValueError('loss="quantile" needs quantile, a number from 0 to 1.')
        rows = training.rows
        y = training.targets[rows]
        if self.loss in LOG_LINK:
            refuse_zeros(y, self.loss)
        return RegressionTargets(
            y,
            training.weights[rows],
            self.normalize_y,
            self.loss,
            plain_float(self, "quantile") if self.loss == "quantile" else 0.5,
        )

    def _score_of(self, y, raw, weights):
        if self.loss != "squared_error":
            return -self._targets.mean_loss(y, raw, weights)
        return _r_squared(y, self._targets.decode(raw), weights)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class LSTMClassifier(ClassifierMixin, BaseLSTM):
    """Long short-term memory (LSTM) network for classification of sequences.

    The network reads a sequence step by step through gated cells [1]_ [2]_, optionally
    in both directions [3]_, and predicts its class, or several labels, from what its
    states sum up to. It minimises the log-loss.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64,)
        Hidden units of each recurrent layer, bottom up (in each direction).

    bidirectional : bool, default=False
        Whether each layer also reads the sequence from its end.

    pooling : {'auto', 'last', 'mean', 'max'}, default='auto'
        What sums a sequence up for the layers above the recurrent ones: the hidden
        state at the last step (with `bidirectional` next to it that of the backward
        direction at the first step), or the mean or the maximum, unit by unit, over all
        steps (of each direction). "auto" is "max", with `window` "last".

    head_layer_sizes : int or array-like of int, default=()
        Units of dense ReLU layers between the recurrent layers and the output.

    standardize : bool, default=True
        Whether the network sees each channel less its mean, over its standard
        deviation, both weighted with `sample_weight` and of the first `fit` or
        `partial_fit`. False passes values on as they are.

    n_channels : int, default=None
        For 2-D X without `window`: the channels of a step. A row of X then is
        ``n_steps * n_channels`` values, time first. None means 1. For any other X: the
        number expected, where given.

    window : int, default=None
        For 2-D X: rows are consecutive steps of one long series, and the sample of a
        row is that row and the ``window - 1`` before it, fewer at the start. None
        makes each row a sequence of its own.

    group_column : str or int, default=None
        With `window`: the column of X that says which series a row is of, by name or
        position. It is no channel.

    dropout : float, default=0.0
        In training, the share of what each recurrent layer but the first takes from
        below that is set to zero, anew for each step; and of what sums a sequence up.

    recurrent_dropout : float, default=0.3
        In training, the share of the hidden state before that is set to zero, the same
        units in all steps of a sequence [7]_.

    solver : {'adam', 'sgd'}, default='adam'
        The optimizer: Adam [4]_, or gradient descent with momentum [5]_.

    alpha : float, default=0.0
        Strength of the L2 penalty on weights (not biases). As in scikit-learn's MLPs it
        is divided by the size of the minibatch.

    batch_size : int or 'auto', default='auto'
        Sequences in a minibatch; "auto" is 32, for more than 8,192 samples a 256th of
        them, up to 256. More than there are samples is clipped, with a warning.

    learning_rate : {'constant', 'invscaling', 'adaptive', 'cosine'}, default='cosine'
        How the step size goes on from `learning_rate_init`, for either solver:

        - "constant": it stays;
        - "invscaling": in an epoch that `t_` samples were seen before it is
          ``learning_rate_init / (t_ + 1) ** power_t``;
        - "adaptive": it stays while training improves, and is divided by 5 where
          training would stop, which it then does not, down to 1e-6;
        - "cosine": over `max_iter` epochs it goes up for the first 20th, then down to
          0 along half a cosine [6]_.

    learning_rate_init : float, default=0.005
        The step size.

    power_t : float, default=0.5
        The exponent of "invscaling".

    max_iter : int or 'auto', default='auto'
        Most epochs to train; "auto" is as many as have 2,000 minibatches, at least 10.

    max_grad_norm : float, default=1.0
        A minibatch's gradient of a larger norm is scaled down to it. None turns this
        off.

    bptt_length : int, default=None
        For long sequences: gradients are cut every so many steps, counted from a
        sequence's start, while states are carried on. Training then keeps all that it
        computes for so many steps only, and of the others one state each time. Not with
        `bidirectional`. None cuts nowhere.

    shuffle : bool, default=True
        Whether samples are put in a new order each epoch.

    random_state : int, RandomState instance or None, default=None
        Decides initial weights, held-out samples, shuffling and dropout. An int gives
        the same result in each call, to the last bit, for any `n_jobs`.

    tol : float, default=1e-4
        Training stops when the loss (with `early_stopping` the validation score) has
        not improved by `tol` for more than `n_iter_no_change` epochs in a row; not with
        ``learning_rate="cosine"``, which has an end of its own.

    verbose : bool or int, default=False
        Whether to print a line for each epoch: its loss, validation score, mean norm
        of the gradient, and time.

    warm_start : bool, default=False
        Whether `fit` goes on from the weights, scales (of channels and targets) and
        curves of the fit before, rather than starting anew. What the network was built
        for cannot change then. "cosine" begins again.

    momentum : float, default=0.9
        Of "sgd": the part of the last step that the next one begins with, 0 to 1.

    nesterovs_momentum : bool, default=True
        Whether "sgd" takes the gradient's step from where the momentum leads [5]_.

    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of Adam's estimates of the gradient's first and second moment.

    epsilon : float, default=1e-8
        Added to the denominator of Adam's step.

    early_stopping : bool, default=False
        Whether to hold `validation_fraction` of the samples out, unless `fit` is given
        `X_val` and `y_val`, to stop when the score on them no longer improves (see
        `tol`; not with "cosine"), and to keep the weights of the best epoch. With
        `window` the last part of each series is held out, else a random part of each
        class.

    validation_fraction : float, default=0.1
        Share of the samples that `early_stopping` holds out.

    n_iter_no_change : int or np.inf, default=10
        Most epochs in a row that may not improve by `tol`. One more, and training
        stops, as in scikit-learn's MLPs; with "cosine" it does not.

    class_weight : dict or 'balanced', default=None
        What samples of each class weigh, beside `sample_weight`: ``{class: weight}``,
        1 where there is none; "balanced" makes all classes weigh the same. For one
        label a sample only; "balanced" is for `fit` only.

    dtype : {'float32', 'float64'}, default='float32'
        What the network computes in, whatever the dtype of X.

    n_jobs : int, default=None
        Threads: 32 at most, and no more than one for each 16 samples of a minibatch, or
        of X in a prediction, nor than a short prediction is worth. None means 1 unless
        joblib's ``parallel_config`` says otherwise, -1 means all cores; at most
        NUMBA_NUM_THREADS where that is set, as joblib does in processes that share the
        cores. The result does not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, also those whose samples all have weight 0, which are not learnt;
        for multi-label y the numbers of its columns.

    n_features_in_ : int
        Columns of 2-D X, channels of 3-D and ragged X.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X was a DataFrame, or a list of DataFrames, whose
        columns are all strings.

    n_iter_ : int
        Epochs of the last fit.

    t_ : int
        Samples seen in training.

    loss_ : float
        Loss of the last epoch.

    best_loss_ : float or None
        The least of all; None with `early_stopping`.

    loss_curve_, grad_norm_curve_ : list of float
        Loss, and mean norm of the minibatches' gradients before `max_grad_norm`, of
        each epoch.

    validation_scores_ : list of float or None
        Accuracy of each epoch on the held-out samples; None without `early_stopping`.

    best_validation_score_ : float or None
        The highest of them; None without `early_stopping`.

    n_layers_ : int
        Layers: input, recurrent, dense and output.

    n_outputs_ : int
        Units of the output layer.

    out_activation_ : str
        "softmax" for more than two classes, else "logistic".

    X_offset_, X_scale_ : ndarray of shape (n_channels,), dtype float64, or None
        Mean and standard deviation of each channel, if `standardize`. The scale of a
        constant channel is 1.

    weights_ : dict of str to ndarray
        Named, writable views of the weights, with the names, shapes and gate order
        (i, f, g, o) of ``torch.nn.LSTM`` (its two biases summed): ``weight_ih_l0``,
        ``weight_hh_l0``, ``bias_l0``, ``weight_ih_l0_reverse``, ..., and
        ``head.weight_0``, ``head.bias_0``, ... for the dense layers and the output.
        Write into the arrays, as in ``weights_["bias_l0"][:] = 0``.

    See Also
    --------
    LSTMRegressor : The same for real targets.
    sklstm.preprocessing.PerStep : Scales the channels of sequences.

    References
    ----------
    .. [1] Hochreiter, S. & Schmidhuber, J., "Long short-term memory", Neural
       Computation 9(8), 1997.
    .. [2] Gers, F. A., Schmidhuber, J. & Cummins, F., "Learning to forget: continual
       prediction with LSTM", Neural Computation 12(10), 2000.
    .. [3] Schuster, M. & Paliwal, K. K., "Bidirectional recurrent neural networks",
       IEEE Transactions on Signal Processing 45(11), 1997.
    .. [4] Kingma, D. P. & Ba, J., "Adam: a method for stochastic optimization",
       ICLR, 2015.
    .. [5] Sutskever, I., Martens, J., Dahl, G. & Hinton, G., "On the importance of
       initialization and momentum in deep learning", ICML, 2013.
    .. [6] Loshchilov, I. & Hutter, F., "SGDR: stochastic gradient descent with warm
       restarts", ICLR, 2017.
    .. [7] Gal, Y. & Ghahramani, Z., "A theoretically grounded application of dropout in
       recurrent neural networks", NeurIPS, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n_steps, 2)) for n_steps in rng.integers(5, 15, 300)]
    >>> y = ["right" if sequence[-1, 0] > 0 else "left" for sequence in X]
    >>> model = LSTMClassifier(pooling="last", random_state=0)
    >>> bool(model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.8)
    True
    """

    _parameter_constraints = {
        **BaseLSTM._parameter_constraints,
        "pooling": [StrOptions({"auto", "last", "mean", "max"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        *,
        bidirectional=False,
        pooling="auto",
        head_layer_sizes=(),
        standardize=True,
        n_channels=None,
        window=None,
        group_column=None,
        dropout=0.0,
        recurrent_dropout=0.3,
        solver="adam",
        alpha=0.0,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=0.005,
        power_t=0.5,
        max_iter="auto",
        max_grad_norm=1.0,
        bptt_length=None,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        class_weight=None,
        dtype="float32",
        n_jobs=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.head_layer_sizes = head_layer_sizes
        self.standardize = standardize
        self.n_channels = n_channels
        self.window = window
        self.group_column = group_column
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.max_grad_norm = max_grad_norm
        self.bptt_length = bptt_length
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.dtype = dtype
        self.n_jobs = n_jobs

    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like or list of array-likes
            Sequences in any of the forms that `fit` takes, with as many channels.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes), dtype float64
            In the order of `classes_`. For multi-label y the probability of each label.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError or TypeError
            If X cannot be used, or does not match that of `fit`, or if what comes of it
            is not finite; the message says why.
        """
        fitted = self._fitted()
        return fitted._targets.probabilities(fitted._raw_outputs(X))

    def predict_log_proba(self, X):
        """Return the log of the probability of each class.

        Parameters
        ----------
        X : array-like or list of array-likes
            Sequences in any of the forms that `fit` takes, with as many channels.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes), dtype float64
            In the order of `classes_`.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError or TypeError
            If X cannot be used, or does not match that of `fit`, or if what comes of it
            is not finite; the message says why.
        """
        fitted = self._fitted()
        return fitted._targets.log_probabilities(fitted._raw_outputs(X))

    def score(self, X, y, sample_weight=None):
        """Return the accuracy of the predictions for X.

        Parameters
        ----------
        X : array-like or list of array-likes
            Sequences in any of the forms that `fit` takes, with as many channels.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their classes, or 0 and 1 for each label, all of which are to be predicted.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, at least 0.

        Returns
        -------
        score : float
            The share of the samples that are predicted right.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError or TypeError
            If an argument cannot be used; the message names it.
        """
        y, prediction, weights = self._compared(X, y, sample_weight, check_classes)
        with said_of("y"):  # numbers where predictions are strings
            return accuracy_score(y, prediction, sample_weight=weights)

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, classes=None):
        """Train for one epoch, at a constant rate, from where training has come to.

        The first call builds the network, and learns the scale of the channels.

        Parameters
        ----------
        X : array-like or list of array-likes
            Sequences in any of the forms that `fit` takes.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their classes, or 0 and 1 for each label.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, at least 0.
        classes : array-like of shape (n_classes,), default=None
            All classes that there are, in the first call; later it can be left out, and
            so for multi-label y, whose classes are the numbers of its columns.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError or TypeError
            If an argument or parameter cannot be used, `early_stopping` is set, or what
            the network was built for has changed; the message names it.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                'class_weight="balanced" is not supported by partial_fit, which does '
                "not see all samples: pass the weights as a dict."
            )
        if classes is not None:
            classes = check_all_classes(classes, self)
            fitted = getattr(self, "classes_", classes)
            if not np.array_equal(fitted, classes):
                raise ValueError(
                    f"classes={classes.tolist()}, but training goes on from "
                    f"{fitted.tolist()}."
                )

        def with_all_classes(training):
            if training.targets.ndim == 2:
                labels = np.arange(training.targets.shape[1])
                if classes is not None and not np.array_equal(classes, labels):
                    raise ValueError(
                        f"classes={classes.tolist()}, but y has several columns "
                        f"(multi-label), whose classes are {labels.tolist()}."
                    )
                return training
            if classes is None:
                raise ValueError(
                    "classes must be passed in the first call of partial_fit: y may "
                    "not hold them all."
                )
            refuse_unknown(training.targets, classes)
            return replace(training, targets=classes)

        return self._partial_fit(X, y, sample_weight, with_all_classes)

    def _begin(self, X, y, sample_weight, go_on):
        if go_on and isinstance(self.class_weight, dict):
            refuse_weights_of_others(self.class_weight, self._targets.classes)
        return super()._begin(X, y, sample_weight, go_on)

    def _check_y(self, y, n_samples):
        return check_classes(y, n_samples, self)

    def _check_weights(self, sample_weight, y):
        weights, unit = super()._check_weights(sample_weight, y)
        if self.class_weight is None:
            return weights, unit
        if y.ndim == 2:
            raise ValueError(
                "class_weight is for one class a sample, and y has several columns "
                "(multi-label): pass sample_weight instead."
            )
        classes, codes = np.unique(y, return_inverse=True)
        if self.class_weight == "balanced":
            of_class = balanced_weights(codes, weights)
        else:
            of_class = weights_of_classes(self.class_weight, classes)
        if not (np.isfinite(of_class).all() and of_class.min() >= 0):
            raise ValueError(
                f"class_weight={self.class_weight}: expected finite weights of at "
                "least 0."
            )
        weights = weights * of_class[codes]
        largest = float(weights.max())
        if largest == 0:
            raise ValueError(
                "class_weight and sample_weight leave no sample with a weight above 0."
            )
        # Of tiny weights the unit may vanish, but must not be zero.
        return weights / largest, max(unit * largest, math.ulp(0.0))

    def _make_targets(self, training):
        # Classes without weight, or held out alone, are classes too.
        targets = ClassTargets(training.targets)
        if isinstance(self.class_weight, dict):
            refuse_weights_of_others(self.class_weight, targets.classes)
        return targets

    def _stratify(self, y):
        return y if y.ndim == 1 else None

    def _score_of(self, y, raw, weights):
        return accuracy_score(y, self._targets.decode(raw), sample_weight=weights)

    def _set_fitted_attributes(self, n_epochs):
        super()._set_fitted_attributes(n_epochs)
        self.classes_ = self._targets.classes

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
