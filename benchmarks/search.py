"""Row 8: a grid search of 24 candidates on digits read row by row, beside skorch."""

import time

import numpy as np
import skorch
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.utils._testing import ignore_warnings

from benchmarks.plain import PLAIN
from benchmarks.side_by_side import Row
from sklstm import LSTMClassifier

N_JOBS = 2


class Net(torch.nn.Module):
    """Logits of ten digits from eight steps of eight channels."""

    def __init__(self, hidden=32):
        super().__init__()
        torch.set_flush_denormal(True)  # in each process, as our kernels do
        self.lstm = torch.nn.LSTM(8, hidden, batch_first=True)
        self.head = torch.nn.Linear(hidden, 10)

    def forward(self, x):
        """Return the logits for rows of 64 values."""
        return self.head(self.lstm(x.reshape(-1, 8, 8))[0][:, -1])


def searches(quick):
    """Return both searches: layer size x batch size x rate, 5 folds."""
    n_epochs = 2 if quick else 10
    sizes, batch_sizes, rates = [16, 32, 64], [32, 64], [3e-4, 1e-3, 3e-3, 1e-2]
    if quick:
        sizes, batch_sizes = sizes[1:2], batch_sizes[1:]
    ours = GridSearchCV(
        LSTMClassifier(
            n_channels=8,
            max_iter=n_epochs,
            max_grad_norm=None,
            random_state=0,
            **PLAIN,
        ),
        {
            "hidden_layer_sizes": [(size,) for size in sizes],
            "batch_size": batch_sizes,
            "learning_rate_init": rates,
        },
        n_jobs=N_JOBS,
    )
    torch_search = GridSearchCV(
        skorch.NeuralNetClassifier(
            Net,
            criterion=torch.nn.CrossEntropyLoss,
            optimizer=torch.optim.Adam,
            max_epochs=n_epochs,
            train_split=None,
            iterator_train__shuffle=True,
            verbose=0,
        ),
        {"module__hidden": sizes, "batch_size": batch_sizes, "lr": rates},
        n_jobs=N_JOBS,
    )
    return {"sklstm": ours, "skorch": torch_search}


@ignore_warnings  # scikit-learn takes the filter to the processes that work
def measure(quick):
    """Return the row, once both searches have found scores that are about the same."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    for search in searches(quick=True).values():
        search.fit(X[:100], y[:100])  # so that the processes have loaded all
    seconds, scores = {}, {}
    for name, search in searches(quick).items():
        begin = time.perf_counter()
        search.fit(X, y)
        seconds[name] = time.perf_counter() - begin
        scores[name] = search.best_score_
    if not quick:
        np.testing.assert_allclose(scores["sklstm"], scores["skorch"], atol=0.03)
    n_candidates = 4 if quick else 24
    case = f"digits, {n_candidates} candidates x 5 folds, 2 processes"
    return Row("grid search", case, 1, seconds["sklstm"], "skorch", seconds["skorch"])


def measure_all(n_threads, quick):
    """Yield the row, once for all numbers of threads: two processes."""
    if n_threads == 1:
        yield measure(quick)
