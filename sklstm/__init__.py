"""LSTM estimators for scikit-learn."""

from sklstm.estimators import LSTMClassifier, LSTMRegressor

__all__ = ["LSTMClassifier", "LSTMRegressor"]
__version__ = "0.1.0.dev0"
