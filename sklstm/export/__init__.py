"""Weights in and out of files."""

from sklstm.export.arrays import load_weights, save_weights

__all__ = ["load_weights", "save_weights"]
