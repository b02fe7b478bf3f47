"""What is done to sequences before a network sees them."""

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklstm._forms import all_frames, is_table, recognise_form
from sklstm._sequences import check_parts, stack_steps

# How scikit-learn's transformers refuse what is not finite.
_REFUSED = re.compile("Input (X )?contains (NaN|infinity)")


@dataclass(frozen=True)
class _Steps:
    """The steps of X in one table, and how the table is cut up again.

    `lengths` are those of the sequences, None where X is a table itself; `n_steps` is
    that of 3-D X, None where X is ragged; `indexes` are those of DataFrames.
    """

    table: object
    lengths: np.ndarray | None = None
    n_steps: int | None = None
    indexes: list | None = None

    def targets(self, y):
        """What the transformer sees of y: one entry per step."""
        if y is None or self.lengths is None:
            return y
        if not isinstance(y, list | tuple):
            y = np.asarray(y)
        check_consistent_length(self.lengths, y)
        pairs = zip(y, self.lengths, strict=True)
        if all(np.shape(target)[:1] == (length,) for target, length in pairs):
            return np.concatenate(y)
        try:
            return np.repeat(np.asarray(y), self.lengths, axis=0)
        except ValueError as error:
            raise ValueError(
                "y must hold one target per sequence of X, or one array per sequence"
                " with one target per step"
            ) from error

    def cut(self, result):
        """What a transformer made of the table, in the form of X."""
        if self.lengths is None:
            return result
        as_frames = self.indexes is not None and isinstance(result, pd.DataFrame)
        if not as_frames:
            result = result.toarray() if sparse.issparse(result) else np.asarray(result)
        if result.ndim != 2 or len(result) != self.lengths.sum():
            raise ValueError(
                f"The transformer made an array of shape {result.shape} of"
                f" {self.lengths.sum()} steps: PerStep needs one row for each step"
            )
        if self.n_steps is not None:
            return result.reshape(-1, self.n_steps, result.shape[1])
        ends = np.cumsum(self.lengths)
        if as_frames:
            parts = map(slice, ends - self.lengths, ends)
            pairs = zip(parts, self.indexes, strict=True)
            return [result.iloc[part].set_axis(index) for part, index in pairs]
        return np.split(result, ends[:-1])

    @contextmanager
    def named_places(self):
        """Say which sample and step a value is in that the transformer refuses.

        Whether it takes NaN is for the transformer to say: the tag of a pipeline says
        no, even where an imputer comes first.
        """
        try:
            yield
        except ValueError as error:
            place = self._first(_REFUSED.match(str(error)))
            if place is None:
                raise
            raise ValueError(place) from error

    def _first(self, refused):
        """The first value of the kind that was refused, None where X has none."""
        in_array = self.lengths is not None and isinstance(self.table, np.ndarray)
        if refused is None or not in_array:
            return None
        found = refused[2]
        spoiled = (np.isnan if found == "NaN" else np.isinf)(self.table)
        if not spoiled.any():
            return None  # the transformer made it itself
        row, channel = np.unravel_index(np.argmax(spoiled), spoiled.shape)
        ends = np.cumsum(self.lengths)
        sample = np.searchsorted(ends, row, side="right")
        step = row - (ends[sample] - self.lengths[sample])
        return (
            f"Input X contains {found}. The first is in sample {sample}, step {step},"
            f" channel {channel}."
        )


def _steps_of(X):
    """Any X as _Steps. A table is left as it is, for its transformer to check."""
    form = recognise_form(X)
    if is_table(form):
        return _Steps(X)
    if all_frames(form):
        return _steps_of_frames(form)
    sequences = stack_steps(check_parts(form))
    n_steps = None if isinstance(form, list) else form.shape[1]
    return _Steps(sequences.values, sequences.lengths, n_steps)


def _steps_of_frames(frames):
    """DataFrames one under the other: names and dtypes of columns are kept."""
    lengths = np.array([len(frame) for frame in frames], dtype=np.int64)
    if not lengths.all():
        raise ValueError(
            f"sample {np.argmin(lengths)} of X is empty: at least one step is required"
        )
    indexes = [frame.index for frame in frames]
    return _Steps(pd.concat(frames, ignore_index=True), lengths, indexes=indexes)


def _transformer_has(method):
    """Make a method of PerStep available where its transformer has it."""
    return available_if(lambda self: hasattr(self.transformer, method))


class PerStep(
    CallbackSupportMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    BaseEstimator,
    auto_wrap_output_keys=None,  # the transformer wraps its own output
):
    """Apply a transformer of tables to the steps of sequences.

    scikit-learn's transformers take 2-D X. This one hands them the steps of all
    sequences one under the other, as one table of shape (n_steps in all, n_channels),
    and cuts the result up again: a :class:`~sklearn.preprocessing.StandardScaler`
    then scales each channel by its mean and variance over all steps of all sequences,
    long sequences counting for more than short ones.

    On 2-D X, whose rows are steps already, it is the transformer itself.

    Parameters
    ----------
    transformer : estimator
        A transformer of 2-D X that keeps the number of rows. It is cloned, not fitted
        itself.

    Attributes
    ----------
    transformer_ : estimator
        The fitted transformer.
    n_features_in_ : int
        Number of channels of 3-D or ragged X, of columns of 2-D X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X is a DataFrame or a list of DataFrames whose
        columns all have names that are strings.

    See Also
    --------
    sklearn.compose.ColumnTransformer : Different transformers for different channels;
        it may be the transformer of a PerStep.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklstm.preprocessing import PerStep
    >>> X = [np.array([[1.0, 10.0], [3.0, 30.0]]), np.array([[5.0, 50.0]])]
    >>> scaler = PerStep(StandardScaler()).fit(X)
    >>> scaler.transformer_.mean_
    array([ 3., 30.])
    >>> [sequence.shape for sequence in scaler.transform(X)]
    [(2, 2), (1, 2)]
    """

    _parameter_constraints: ClassVar[dict] = {
        "transformer": [HasMethods(["fit", "transform"])]
    }

    def __init__(self, transformer):
        self.transformer = transformer

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the transformer to the steps of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_steps, n_channels) or \
                (n_rows, n_features), or list of array-likes of shape \
                (n_steps, n_channels) or (n_steps,)
            Sequences, or a table of steps. A list of DataFrames reaches the
            transformer as one DataFrame; anything else that is not 2-D must hold
            numbers. Whether NaN may be in it is for the transformer to say.
        y : array-like, default=None
            Targets, for transformers that use them. With 3-D or ragged X the target of
            a sequence is repeated for each of its steps, unless y has one entry per
            step: then y is a list with one array per sequence, or an array of shape
            (n_samples, n_steps, ...). An array (n_samples, n_outputs) is taken for the
            latter where n_outputs happens to be the number of steps of all sequences.

        Returns
        -------
        PerStep
            The fitted transformer.

        Raises
        ------
        ValueError or TypeError
            If X is in none of these forms or y does not go with it, or if the
            transformer refuses them.
        """
        steps = _steps_of(X)
        transformer = clone(self.transformer)
        with self._callbacks_told(transformer, X, y), steps.named_places():
            transformer.fit(steps.table, steps.targets(y))
        self.transformer_ = transformer  # not before it is fitted
        return self

    @_transformer_has("fit_transform")
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def fit_transform(self, X, y=None):
        """Fit the transformer to the steps of X and transform them.

        Parameters
        ----------
        X : array-like or list of array-likes
            As for `fit`.
        y : array-like, default=None
            As for `fit`.

        Returns
        -------
        array or list of ndarray or DataFrame
            As from `transform`.

        Raises
        ------
        ValueError or TypeError
            As from `fit` and `transform`.
        """
        steps = _steps_of(X)
        transformer = clone(self.transformer)
        with self._callbacks_told(transformer, X, y), steps.named_places():
            result = transformer.fit_transform(steps.table, steps.targets(y))
        result = steps.cut(result)
        self.transformer_ = transformer
        return result

    @_transformer_has("partial_fit")
    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y=None):
        """Go on fitting the transformer, with the steps of X.

        Parameters
        ----------
        X : array-like or list of array-likes
            As for `fit`.
        y : array-like, default=None
            As for `fit`.

        Returns
        -------
        PerStep
            The fitted transformer.

        Raises
        ------
        ValueError or TypeError
            As from `fit`.
        """
        steps = _steps_of(X)
        fitted = hasattr(self, "transformer_")
        transformer = self.transformer_ if fitted else clone(self.transformer)
        with steps.named_places():
            transformer.partial_fit(steps.table, steps.targets(y))
        self.transformer_ = transformer
        return self

    def transform(self, X):
        """Transform each step of X.

        Parameters
        ----------
        X : array-like or list of array-likes
            As for `fit`.

        Returns
        -------
        array or list of ndarray or DataFrame
            ndarray of shape (n_samples, n_steps, n_channels_out) for 3-D X; a list of
            ndarrays of shape (n_steps, n_channels_out) for ragged X, of DataFrames
            where X is one of DataFrames and the transformer returns one; what the
            transformer returns for 2-D X.

        Raises
        ------
        NotFittedError
            If it is not fitted.
        ValueError or TypeError
            If X is in none of these forms, if the transformer refuses it, or if it
            does not return one row for each step.
        """
        check_is_fitted(self)
        steps = _steps_of(X)
        with steps.named_places():
            result = self.transformer_.transform(steps.table)
        return steps.cut(result)

    @_transformer_has("inverse_transform")
    def inverse_transform(self, X):
        """Undo the transform of each step of X.

        Parameters
        ----------
        X : array-like or list of array-likes
            In a form that `transform` returns.

        Returns
        -------
        array or list of ndarray or DataFrame
            In the form of X, with the channels that the transformer was fitted on.

        Raises
        ------
        NotFittedError
            If it is not fitted.
        ValueError or TypeError
            As from `transform`.
        """
        check_is_fitted(self)
        steps = _steps_of(X)
        with steps.named_places():
            result = self.transformer_.inverse_transform(steps.table)
        return steps.cut(result)

    @_transformer_has("get_feature_names_out")
    def get_feature_names_out(self, input_features=None):
        """Names of the channels after the transform.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the channels before it, where the fit saw none.

        Returns
        -------
        ndarray of str
            Those of the transformer.

        Raises
        ------
        NotFittedError
            If it is not fitted.
        ValueError
            If `input_features` does not match what `fit` saw.
        """
        check_is_fitted(self)
        return self.transformer_.get_feature_names_out(input_features)

    @_transformer_has("set_output")
    def set_output(self, *, transform=None):
        """Set the container that tables are returned in.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            None leaves the configuration unchanged. A list of DataFrames comes back as
            one with "pandas"; all other sequences come back as arrays.

        Returns
        -------
        PerStep
            This transformer.
        """
        self.transformer.set_output(transform=transform)
        if hasattr(self, "transformer_"):
            self.transformer_.set_output(transform=transform)
        return self

    @property
    def n_features_in_(self):
        """Number of channels seen by `fit`."""
        return self._of_fitted("n_features_in_")

    @property
    def feature_names_in_(self):
        """Names of the channels seen by `fit`."""
        return self._of_fitted("feature_names_in_")

    def _of_fitted(self, attribute):
        if not hasattr(self, "transformer_"):
            raise AttributeError(f"PerStep has no {attribute} before it is fitted")
        return getattr(self.transformer_, attribute)

    @contextmanager
    def _callbacks_told(self, transformer, X, y):
        """Tell callbacks of a fit, whose one task is to fit `transformer`."""
        data = {"estimator": self, "X": X, "y": y}
        fit = self._init_callback_context(max_subtasks=1)
        fit.call_on_fit_task_begin(**data)
        task = fit.subcontext(task_name="fit-transformer")
        with task.propagate_callback_context(transformer):
            task.call_on_fit_task_begin(**data)
            yield
            task.call_on_fit_task_end(**data)
        fitted = {"transformer_": transformer}
        fit.call_on_fit_task_end(**data, reconstruction_attributes=fitted)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self.transformer)
        tags.input_tags = replace(
            inner.input_tags, two_d_array=True, three_d_array=True
        )
        tags.target_tags = inner.target_tags
        tags.transformer_tags = inner.transformer_tags
        tags.no_validation = inner.no_validation
        tags.non_deterministic = inner.non_deterministic
        return tags
