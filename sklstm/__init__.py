"""LSTM estimators for scikit-learn."""

from sklstm._version import VERSION as __version__
from sklstm.estimators import LSTMClassifier, LSTMRegressor

__all__ = ["LSTMClassifier", "LSTMRegressor", "__version__"]
