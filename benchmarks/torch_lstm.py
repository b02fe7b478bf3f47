"""``torch.nn.LSTM`` as scikit-learn estimators, to be trained just as sklstm's are.

One layer and a linear output on the state after the last step of each sequence.
PyTorch initialises both as it does by default; Adam, minibatches shuffled anew each
epoch, the last and smaller one kept, as in sklstm.

Ragged sequences are padded at their ends and read at their true last step, before any
padding: the same outputs as with ``pack_padded_sequence`` in a third of its time.
"""

import time

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from torch import nn
from torch.nn.utils.rnn import pad_sequence


class _TorchLSTM(BaseEstimator):
    """What classifier and regressor share: everything but the targets."""

    def __init__(
        self,
        hidden_size=64,
        *,
        batch_size=32,
        learning_rate_init=1e-3,
        max_iter=200,
        random_state=0,
        max_seconds=np.inf,
    ):
        self.hidden_size = hidden_size
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.max_seconds = max_seconds

    def _fit(self, X, targets, n_outputs, loss):
        torch.manual_seed(self.random_state)
        X, lengths = _tensors(X)
        self.lstm_ = nn.LSTM(X.shape[2], self.hidden_size, batch_first=True)
        self.head_ = nn.Linear(self.hidden_size, n_outputs)
        optimizer = torch.optim.Adam(
            [*self.lstm_.parameters(), *self.head_.parameters()],
            lr=self.learning_rate_init,
        )
        end = time.process_time() + self.max_seconds
        for _ in range(self.max_iter):
            for batch in torch.randperm(len(X)).split(self.batch_size):
                if time.process_time() > end:
                    return self
                optimizer.zero_grad()
                loss(self._raw(X[batch], lengths[batch]), targets[batch]).backward()
                optimizer.step()
        return self

    def _raw(self, X, lengths):
        """Return the outputs for sequences that are padded at their ends."""
        states, _ = self.lstm_(X[:, : lengths.max()])
        return self.head_(states[torch.arange(len(X)), lengths - 1])

    @torch.no_grad()
    def _predict(self, X):
        X, lengths = _tensors(X)
        parts = zip(X.split(500), lengths.split(500), strict=True)
        return torch.cat([self._raw(*part) for part in parts]).numpy()


class TorchClassifier(ClassifierMixin, _TorchLSTM):
    """Classes, by cross-entropy."""

    def fit(self, X, y):
        self.classes_, codes = np.unique(y, return_inverse=True)
        loss = nn.CrossEntropyLoss()
        return self._fit(X, torch.tensor(codes), len(self.classes_), loss)

    def predict(self, X):
        return self.classes_[self._predict(X).argmax(axis=1)]


class TorchRegressor(RegressorMixin, _TorchLSTM):
    """Real targets, standardised for training, by squared error."""

    def fit(self, X, y):
        self.mean_, self.scale_ = np.mean(y, axis=0), np.std(y, axis=0)
        targets = torch.tensor((y - self.mean_) / self.scale_, dtype=torch.float32)
        targets = targets.reshape(len(y), -1)
        return self._fit(X, targets, targets.shape[1], nn.MSELoss())

    def predict(self, X):
        predicted = self._predict(X).astype(np.float64)
        predicted = predicted.ravel() if self.mean_.ndim == 0 else predicted
        return predicted * self.scale_ + self.mean_


def _tensors(X):
    """Return sequences padded to the longest (n, n_steps, n_channels), and lengths."""
    parts = [torch.tensor(part, dtype=torch.float32) for part in X]
    lengths = torch.tensor([len(part) for part in parts])
    return pad_sequence(parts, batch_first=True), lengths
