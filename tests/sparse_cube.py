"""A sparse array of three dimensions, where SciPy has such."""

import scipy
from scipy import sparse
from sklearn.utils.fixes import parse_version


def sparse_cube(A):
    """Return `A` (n, n_steps, n_channels) as a sparse array; of old SciPy, in 2-D."""
    if parse_version(scipy.__version__) < parse_version("1.15"):
        A = A[0]
    return sparse.coo_array(A)
