"""The calls of scikit-learn's callbacks during a fit."""


class FitCallbacks:
    """Tells the callbacks of an estimator of a fit and of each of its epochs.

    Parameters
    ----------
    estimator : estimator
        The user's, on which the callbacks are set.
    X, y, sample_weight
        As they were given.
    """

    def __init__(self, estimator, X, y, sample_weight):
        self._estimator, self._n_epochs = estimator, 0
        self._data = {"X": X, "y": y}
        if sample_weight is not None:
            self._data["metadata"] = {"sample_weight": sample_weight}
        self._fit = estimator._init_callback_context(max_subtasks=None)

    def begin_fit(self, max_epochs, state):
        """Tell that the fit begins.

        Parameters
        ----------
        max_epochs : int
        state : callable
            Called with how many epochs there were, and the parameters they led to;
            returns the attributes of an estimator whose fit ended there.
        """
        self._state = state
        self._fit.max_subtasks = max_epochs  # known once the samples are
        self._fit.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def begin(self):
        """Tell that an epoch begins."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def end(self, parameters):
        """Tell that an epoch is over; return whether training is to stop.

        Parameters
        ----------
        parameters : array (n_parameters,)
            Those of the model if it is.
        """
        self._n_epochs += 1
        return self._end(self._epoch, parameters)

    def end_fit(self, parameters):
        """Tell that the fit is over, with these parameters."""
        self._end(self._fit, parameters)

    def _end(self, context, parameters):
        return context.call_on_fit_task_end(
            estimator=self._estimator,
            reconstruction_attributes=lambda: self._state(self._n_epochs, parameters),
            **self._data,
        )
