"""Long lags are learnt: two problems of 1997, see the benchmark."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))  # the installed sklstm goes first
from benchmarks.long_lags import PROBLEMS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", PROBLEMS)
def test_long_lags_are_learnt_from_fewer_sequences_than_in_1997(name, seed):
    problem = PROBLEMS[name]
    model, n_sequences = problem.learn(seed)
    assert n_sequences < problem.theirs
    assert problem.n_wrong(model, seed) <= 3
