"""``python -m benchmarks``: speed of a training step beside PyTorch."""

from benchmarks.training_step import main

main()
