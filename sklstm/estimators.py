"""LSTMClassifier and LSTMRegressor: parameters, docs, the scikit-learn contract."""

from abc import ABCMeta, abstractmethod
from numbers import Integral, Real

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from sklstm._network import Network
from sklstm._optimizers import Adam
from sklstm._sequences import validate_sequences
from sklstm._targets import ClassTargets, RegressionTargets, check_classes, check_real
from sklstm._training import Schedule, train
from sklstm.engines.cpu import CPUEngine


class _BaseLSTM(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, metaclass=ABCMeta
):
    """What regressor and classifier share: everything but the targets."""

    _parameter_constraints = {
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "bidirectional": ["boolean"],
        "head_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "n_channels": [Interval(Integral, 1, None, closed="left"), None],
        "window": [Interval(Integral, 1, None, closed="left"), None],
        "group_column": [str, Integral, None],
        "solver": [StrOptions({"adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_grad_norm": [Interval(Real, 0, None, closed="neither"), None],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"float32", "float64"})],
        "n_jobs": [Integral, None],
    }

    @abstractmethod
    def _make_targets(self, y, weights):
        """Return what turns validated `y` into kernel targets and back."""

    @abstractmethod
    def _check_y(self, y, n_samples):
        """Return `y` validated."""

    @staticmethod
    @abstractmethod
    def _validation_score(y, prediction, weights):
        """Return the score that early stopping watches."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the network to sequences X and targets y.

        Parameters
        ----------
        X : array-like or list of array-likes
            The sequences: 3-D ``(n_samples, n_steps, n_channels)``; a list of arrays
            ``(n_steps_i, n_channels)`` or ``(n_steps_i,)``; 2-D ``(n_samples,
            n_features)``, each row a sequence; or with `window` 2-D ``(n_steps,
            n_features)``, each row a step.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            One target, or several, for each sequence (with `window`: for each row).
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample, at least 0; None means equal weights. With `window`
            a row of weight 0 still is context for the rows that follow it.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError or TypeError
            If an argument or parameter cannot be used; the message names it.
        """
        hidden_layer_sizes = _layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)
        head_layer_sizes = _layer_sizes("head_layer_sizes", self.head_layer_sizes)
        if not hidden_layer_sizes:
            raise ValueError(
                "hidden_layer_sizes is empty: expected at least one layer."
            )
        sequences = self._sequences(X, reset=True)
        y = self._check_y(y, len(sequences))
        weights = _check_sample_weight(
            sample_weight,
            sequences.starts,
            dtype=np.float64,
            ensure_non_negative=True,
        )
        random_state = check_random_state(self.random_state)
        targets = self._make_targets(y, weights)
        network = Network(
            sequences.n_channels,
            hidden_layer_sizes,
            self.bidirectional,
            head_layer_sizes,
            targets.n_outputs,
        )
        parameters = network.initialise(random_state, np.dtype(self.dtype))
        # What has no weight takes no part, as if it were not there.
        rows = np.flatnonzero(weights)
        held_out = None
        if self.early_stopping:
            rows, held_out = self._split(rows, y, sequences.series, random_state)
        optimizer = Adam(
            len(parameters), parameters.dtype, self.beta_1, self.beta_2, self.epsilon
        )

        with self._engine(network, targets, parameters.dtype) as engine:
            validation_score = None
            if held_out is not None:
                part = sequences.take(held_out)

                def validation_score():
                    prediction = targets.decode(engine.predict(parameters, part))
                    return self._validation_score(
                        y[held_out], prediction, weights[held_out]
                    )

            history = train(
                engine,
                optimizer,
                parameters,
                network.penalised(),
                sequences,
                rows,
                targets.encode(y, parameters.dtype),
                weights,
                self._schedule(len(rows)),
                random_state,
                validation_score,
            )
        self._network, self._parameters, self._targets = network, parameters, targets
        self._set_fitted_attributes(history, len(rows))
        return self

    def predict(self, X):
        """Predict the target of each sequence.

        Parameters
        ----------
        X : array-like or list of array-likes
            Sequences in any of the forms that `fit` takes, with as many channels.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predictions, shaped as `y` was in `fit`.
        """
        raw = self._raw_outputs(X)
        return self._targets.decode(raw)

    def transform(self, X):
        """Return the hidden state that sums each sequence up, to use as features.

        Parameters
        ----------
        X : array-like or list of array-likes
            Sequences in any of the forms that `fit` takes, with as many channels.

        Returns
        -------
        states : ndarray of shape (n_samples, n_directions * n_hidden), dtype float64
            The top layer's hidden state at the last step; with `bidirectional`, next
            to it that of the backward direction at the first step.
        """
        check_is_fitted(self)
        sequences = self._sequences(X, reset=False)
        with self._fitted_engine() as engine:
            return engine.transform(self._parameters, sequences).astype(np.float64)

    @property
    def weights_(self):
        """Named weights: writable views into the network's parameters."""
        check_is_fitted(self)
        return self._network.views(self._parameters)

    @property
    def _n_features_out(self):
        return self._network.n_pooled

    def _raw_outputs(self, X):
        check_is_fitted(self)
        sequences = self._sequences(X, reset=False)
        with self._fitted_engine() as engine:
            return engine.predict(self._parameters, sequences)

    def _sequences(self, X, reset):
        return validate_sequences(
            self,
            X,
            dtype=np.dtype(self.dtype) if reset else self._parameters.dtype,
            reset=reset,
            n_channels=self.n_channels,
            window=self.window,
            group_column=self.group_column,
        )

    def _engine(self, network, targets, dtype):
        return CPUEngine(
            network,
            loss=targets.loss,
            dtype=dtype,
            n_threads=effective_n_jobs(self.n_jobs),
        )

    def _fitted_engine(self):
        return self._engine(self._network, self._targets, self._parameters.dtype)

    def _schedule(self, n_samples):
        batch_size = 200 if self.batch_size == "auto" else self.batch_size
        return Schedule(
            learning_rate_init=self.learning_rate_init,
            max_iter=self.max_iter,
            batch_size=min(batch_size, n_samples),
            shuffle=self.shuffle,
            alpha=self.alpha,
            max_grad_norm=self.max_grad_norm,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            verbose=bool(self.verbose),
        )

    def _split(self, rows, y, series, random_state):
        """Return the samples to train on, and those held out for early stopping."""
        if series is not None:
            train_rows, held_out = _split_series(
                rows, series[rows], self.validation_fraction
            )
        else:
            train_rows, held_out = train_test_split(
                rows,
                random_state=random_state,
                test_size=self.validation_fraction,
                stratify=self._stratify(y[rows]),
            )
        if len(held_out) < 2 or len(train_rows) == 0:
            raise ValueError(
                f"early_stopping holds out {len(held_out)} of {len(rows)} samples, too "
                "few to score: raise validation_fraction, or pass more samples."
            )
        return train_rows, held_out

    def _stratify(self, y):
        """Return the classes that held-out samples are to be drawn from alike."""
        return None

    def _set_fitted_attributes(self, history, n_samples):
        self.n_outputs_ = self._targets.n_outputs
        self.out_activation_ = self._targets.out_activation
        n_recurrent = self._network.n_recurrent // self._network.n_directions
        n_dense = len(self._network.layers) - self._network.n_recurrent
        self.n_layers_ = 1 + n_recurrent + n_dense
        self.n_iter_ = len(history.losses)
        self.t_ = self.n_iter_ * n_samples
        self.loss_curve_ = history.losses
        self.loss_ = history.losses[-1]
        self.grad_norm_curve_ = history.gradient_norms
        if self.early_stopping:
            self.validation_scores_ = history.validation_scores
            self.best_validation_score_ = max(history.validation_scores)
            self.best_loss_ = None
        else:
            self.validation_scores_ = None
            self.best_validation_score_ = None
            self.best_loss_ = min(history.losses)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags


class LSTMRegressor(RegressorMixin, _BaseLSTM):
    """Long short-term memory (LSTM) network for regression on sequences.

    The network reads a sequence step by step through gated cells [1]_ [2]_, optionally
    in both directions [3]_, and predicts one target, or several, from its last state.
    It minimises the squared error.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64,)
        Hidden units of each recurrent layer, bottom up (in each direction).

    bidirectional : bool, default=False
        Whether each layer also reads the sequence from its end. What sums a sequence up
        then is the forward direction's state at the last step next to the backward
        direction's at the first.

    head_layer_sizes : int or array-like of int, default=()
        Units of dense ReLU layers between the recurrent layers and the output.

    n_channels : int, default=None
        For 2-D X without `window`: the channels of a step. A row of X then is
        ``n_steps * n_channels`` values, time first. None means 1.

    window : int, default=None
        For 2-D X: rows are consecutive steps of one long series, and the sample of a
        row is that row and the ``window - 1`` before it, fewer at the start. None
        makes each row a sequence of its own.

    group_column : str or int, default=None
        With `window`: the column of X that says which series a row is of, by name or
        position. It is no channel.

    solver : {'adam'}, default='adam'
        The optimizer [4]_.

    alpha : float, default=0.0
        Strength of the L2 penalty on weights (not biases). As in scikit-learn's MLPs it
        is divided by the size of the minibatch.

    batch_size : int or 'auto', default='auto'
        Sequences in a minibatch; "auto" is ``min(200, n_samples)``.

    learning_rate_init : float, default=0.001
        The step size.

    max_iter : int, default=200
        Most epochs to train.

    max_grad_norm : float, default=1.0
        A minibatch's gradient of a larger norm is scaled down to it. None turns this
        off.

    shuffle : bool, default=True
        Whether samples are put in a new order each epoch.

    random_state : int, RandomState instance or None, default=None
        Decides initial weights, held-out samples and shuffling. An int gives the same
        result in each call, to the last bit, for any `n_jobs`.

    tol : float, default=1e-4
        Training stops when the loss (with `early_stopping` the validation score) has
        not improved by `tol` for more than `n_iter_no_change` epochs in a row.

    verbose : bool or int, default=False
        Whether to print a line for each epoch.

    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of Adam's estimates of the gradient's first and second moment.

    epsilon : float, default=1e-8
        Added to the denominator of Adam's step.

    early_stopping : bool, default=False
        Whether to hold `validation_fraction` of the samples out, to stop when the score
        on them no longer improves, and to keep the weights of the best epoch. With
        `window` the last part of each series is held out, else a random part.

    validation_fraction : float, default=0.1
        Share of the samples that `early_stopping` holds out.

    n_iter_no_change : int, default=10
        Epochs without improvement that are borne with.

    normalize_y : bool, default=True
        Whether the network is trained on targets of mean 0 and standard deviation 1,
        and its predictions scaled back. Losses then are in these units.

    dtype : {'float32', 'float64'}, default='float32'
        What the network computes in, whatever the dtype of X.

    n_jobs : int, default=None
        Threads. None means 1 unless joblib's ``parallel_config`` says otherwise, -1
        means all cores. The result does not depend on it.

    Attributes
    ----------
    n_features_in_ : int
        Columns of 2-D X, channels of 3-D and ragged X.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X was a DataFrame whose columns are all strings.

    n_iter_ : int
        Epochs trained.

    t_ : int
        Samples seen in training.

    loss_, best_loss_ : float
        Loss of the last epoch, and the least of all (None with `early_stopping`).

    loss_curve_, grad_norm_curve_ : list of float
        Loss, and mean norm of the minibatches' gradients before `max_grad_norm`, of
        each epoch.

    validation_scores_ : list of float
        R² of each epoch on the held-out samples; None without `early_stopping`.

    best_validation_score_ : float
        The highest of them; None without `early_stopping`.

    n_layers_ : int
        Layers: input, recurrent, dense and output.

    n_outputs_ : int
        Units of the output layer.

    out_activation_ : str
        "identity".

    weights_ : dict of str to ndarray
        Named, writable views of the weights, with the names, shapes and gate order
        (i, f, g, o) of ``torch.nn.LSTM`` (its two biases summed): ``weight_ih_l0``,
        ``weight_hh_l0``, ``bias_l0``, ``weight_ih_l0_reverse``, ..., and
        ``head.weight_0``, ``head.bias_0``, ... for the dense layers and the output.

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

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n_steps, 1)) for n_steps in rng.integers(5, 15, 300)]
    >>> y = [sequence.mean() for sequence in X]
    >>> model = LSTMRegressor(16, learning_rate_init=0.01, batch_size=32,
    ...                       early_stopping=True, random_state=0)
    >>> bool(model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.9)
    True
    """

    _parameter_constraints = {
        **_BaseLSTM._parameter_constraints,
        "normalize_y": ["boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        *,
        bidirectional=False,
        head_layer_sizes=(),
        n_channels=None,
        window=None,
        group_column=None,
        solver="adam",
        alpha=0.0,
        batch_size="auto",
        learning_rate_init=0.001,
        max_iter=200,
        max_grad_norm=1.0,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        normalize_y=True,
        dtype="float32",
        n_jobs=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.bidirectional = bidirectional
        self.head_layer_sizes = head_layer_sizes
        self.n_channels = n_channels
        self.window = window
        self.group_column = group_column
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.max_grad_norm = max_grad_norm
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.normalize_y = normalize_y
        self.dtype = dtype
        self.n_jobs = n_jobs

    def _check_y(self, y, n_samples):
        return check_real(y, n_samples, self)

    def _make_targets(self, y, weights):
        return RegressionTargets(y, weights, self.normalize_y)

    @staticmethod
    def _validation_score(y, prediction, weights):
        return r2_score(y, prediction, sample_weight=weights)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class LSTMClassifier(ClassifierMixin, _BaseLSTM):
    """Long short-term memory (LSTM) network for classification of sequences.

    The network reads a sequence step by step through gated cells [1]_ [2]_, optionally
    in both directions [3]_, and predicts its class, or several labels, from its last
    state. It minimises the log-loss.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(64,)
        Hidden units of each recurrent layer, bottom up (in each direction).

    bidirectional : bool, default=False
        Whether each layer also reads the sequence from its end. What sums a sequence up
        then is the forward direction's state at the last step next to the backward
        direction's at the first.

    head_layer_sizes : int or array-like of int, default=()
        Units of dense ReLU layers between the recurrent layers and the output.

    n_channels : int, default=None
        For 2-D X without `window`: the channels of a step. A row of X then is
        ``n_steps * n_channels`` values, time first. None means 1.

    window : int, default=None
        For 2-D X: rows are consecutive steps of one long series, and the sample of a
        row is that row and the ``window - 1`` before it, fewer at the start. None
        makes each row a sequence of its own.

    group_column : str or int, default=None
        With `window`: the column of X that says which series a row is of, by name or
        position. It is no channel.

    solver : {'adam'}, default='adam'
        The optimizer [4]_.

    alpha : float, default=0.0
        Strength of the L2 penalty on weights (not biases). As in scikit-learn's MLPs it
        is divided by the size of the minibatch.

    batch_size : int or 'auto', default='auto'
        Sequences in a minibatch; "auto" is ``min(200, n_samples)``.

    learning_rate_init : float, default=0.001
        The step size.

    max_iter : int, default=200
        Most epochs to train.

    max_grad_norm : float, default=1.0
        A minibatch's gradient of a larger norm is scaled down to it. None turns this
        off.

    shuffle : bool, default=True
        Whether samples are put in a new order each epoch.

    random_state : int, RandomState instance or None, default=None
        Decides initial weights, held-out samples and shuffling. An int gives the same
        result in each call, to the last bit, for any `n_jobs`.

    tol : float, default=1e-4
        Training stops when the loss (with `early_stopping` the validation score) has
        not improved by `tol` for more than `n_iter_no_change` epochs in a row.

    verbose : bool or int, default=False
        Whether to print a line for each epoch.

    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of Adam's estimates of the gradient's first and second moment.

    epsilon : float, default=1e-8
        Added to the denominator of Adam's step.

    early_stopping : bool, default=False
        Whether to hold `validation_fraction` of the samples out, to stop when the score
        on them no longer improves, and to keep the weights of the best epoch. With
        `window` the last part of each series is held out, else a random part of each
        class.

    validation_fraction : float, default=0.1
        Share of the samples that `early_stopping` holds out.

    n_iter_no_change : int, default=10
        Epochs without improvement that are borne with.

    dtype : {'float32', 'float64'}, default='float32'
        What the network computes in, whatever the dtype of X.

    n_jobs : int, default=None
        Threads. None means 1 unless joblib's ``parallel_config`` says otherwise, -1
        means all cores. The result does not depend on it.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes; for multi-label y the numbers of its columns.

    n_features_in_ : int
        Columns of 2-D X, channels of 3-D and ragged X.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X was a DataFrame whose columns are all strings.

    n_iter_ : int
        Epochs trained.

    t_ : int
        Samples seen in training.

    loss_, best_loss_ : float
        Loss of the last epoch, and the least of all (None with `early_stopping`).

    loss_curve_, grad_norm_curve_ : list of float
        Loss, and mean norm of the minibatches' gradients before `max_grad_norm`, of
        each epoch.

    validation_scores_ : list of float
        Accuracy of each epoch on the held-out samples; None without `early_stopping`.

    best_validation_score_ : float
        The highest of them; None without `early_stopping`.

    n_layers_ : int
        Layers: input, recurrent, dense and output.

    n_outputs_ : int
        Units of the output layer.

    out_activation_ : str
        "softmax" for more than two classes, else "logistic".

    weights_ : dict of str to ndarray
        Named, writable views of the weights, with the names, shapes and gate order
        (i, f, g, o) of ``torch.nn.LSTM`` (its two biases summed): ``weight_ih_l0``,
        ``weight_hh_l0``, ``bias_l0``, ``weight_ih_l0_reverse``, ..., and
        ``head.weight_0``, ``head.bias_0``, ... for the dense layers and the output.

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

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n_steps, 2)) for n_steps in rng.integers(5, 15, 300)]
    >>> y = ["right" if sequence[-1, 0] > 0 else "left" for sequence in X]
    >>> model = LSTMClassifier(16, learning_rate_init=0.01, batch_size=32,
    ...                        early_stopping=True, random_state=0)
    >>> bool(model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.9)
    True
    """

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        *,
        bidirectional=False,
        head_layer_sizes=(),
        n_channels=None,
        window=None,
        group_column=None,
        solver="adam",
        alpha=0.0,
        batch_size="auto",
        learning_rate_init=0.001,
        max_iter=200,
        max_grad_norm=1.0,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        dtype="float32",
        n_jobs=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.bidirectional = bidirectional
        self.head_layer_sizes = head_layer_sizes
        self.n_channels = n_channels
        self.window = window
        self.group_column = group_column
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.max_grad_norm = max_grad_norm
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
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
        """
        raw = self._raw_outputs(X)
        return self._targets.probabilities(raw)

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
        """
        raw = self._raw_outputs(X)
        return self._targets.log_probabilities(raw)

    def _check_y(self, y, n_samples):
        return check_classes(y, n_samples, self)

    def _make_targets(self, y, weights):
        return ClassTargets(y)

    def _stratify(self, y):
        return y if y.ndim == 1 else None

    @staticmethod
    def _validation_score(y, prediction, weights):
        return accuracy_score(y, prediction, sample_weight=weights)

    def _set_fitted_attributes(self, history, n_samples):
        super()._set_fitted_attributes(history, n_samples)
        self.classes_ = self._targets.classes

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _layer_sizes(name, sizes):
    """Return layer sizes as a tuple; an int is one layer."""
    sizes = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
    for size in sizes:
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
            raise ValueError(
                f"{name} must be whole numbers of at least 1: got {sizes}."
            )
    return tuple(int(size) for size in sizes)


def _split_series(rows, series, fraction):
    """Split off the last `fraction` of the `rows` of each series."""
    order = np.argsort(series, kind="stable")
    _, sizes = np.unique(series, return_counts=True)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    held_out = place >= np.repeat(sizes - np.floor(fraction * sizes), sizes)
    return np.sort(rows[order[~held_out]]), np.sort(rows[order[held_out]])
