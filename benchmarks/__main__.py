"""Measure all rows, print them as a table, keep them as JSON, draw them.

python -m benchmarks [--quick] [--only NAME ...] [--threads N ...] [--out FOLDER]
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from benchmarks import (
    fit,
    growth,
    kernels,
    memory,
    prediction,
    processors,
    search,
    startup,
    streaming,
    training_step,
)
from benchmarks.limit import gigabytes_per_second
from benchmarks.picture import draw, draw_roofline
from benchmarks.side_by_side import WHOLES, Skipped

MODULES = {
    "training_step": training_step,
    "kernels": kernels,
    "fit": fit,
    "prediction": prediction,
    "streaming": streaming,
    "startup": startup,
    "search": search,
    "memory": memory,
    "growth": growth,
    "processors": processors,
}
HEADER = (
    "| what | case | threads | sklstm | GFLOP/s | % of limit | peer | peer takes "
    "| ratio |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)
PACKAGES = (
    "numpy", "numba", "scikit-learn", "torch", "skorch", "onnxruntime", "keras"
)  # fmt: skip


def line(row):
    """Return a row of the table."""
    counted = ("", "")
    if row.operations:
        counted = (f"{row.gflops:.0f}", f"{100 * row.share:.0f}")
    peer = ("", "", "")
    if row.peer:
        peer = (row.peer, amount(row.theirs, row.unit), f"{row.ratio:.2f}")
    cells = (row.what, row.case, row.n_threads, amount(row.ours, row.unit))
    return "| " + " | ".join(map(str, (*cells, *counted, *peer))) + " |"


def amount(value, unit):
    """Return a value with its unit."""
    return f"{value:.0f} MiB" if unit == "MiB" else f"{value * 1e3:.4g} ms"


def means(rows):
    """Return a line for the limit of threads, and each geometric mean of ratios."""
    groups = {}
    for row in rows:
        if row.peer and row.peer not in WHOLES:
            groups.setdefault((row.what, row.peer, row.n_threads), []).append(row.ratio)
    limits = {}
    for row in rows:
        if row.limit and "," not in row.what:
            limits.setdefault(row.n_threads, []).append(row.limit)
    lines = [
        f"multiply-add limit, threads {n_threads}: {np.median(found):.0f} GFLOP/s each"
        for n_threads, found in limits.items()
    ]
    return lines + [
        f"{what} beside {peer}, threads {n_threads}: geometric mean of {len(ratios)} "
        f"ratios {np.exp(np.log(ratios).mean()):.2f}"
        for (what, peer, n_threads), ratios in groups.items()
    ]


def provenance():
    """Return where and of what the rows were measured."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "processor": processor(),
        "python": platform.python_version(),
        "commit": commit,
        "versions": {name: version(name) for name in PACKAGES},
    }


def processor():
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


def version(name):
    """Return the version of an installed package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument(
        "--quick", action="store_true", help="one thread, few cases and repeats"
    )
    parser.add_argument("--only", nargs="+", choices=MODULES, default=[*MODULES])
    parser.add_argument("--threads", nargs="+", type=int)
    parser.add_argument("--out", type=Path, default=Path("benchmarks-out"))
    arguments = parser.parse_args()
    if arguments.threads is None:
        arguments.threads = [1] if arguments.quick else sorted({1, os.cpu_count()})
    torch.set_flush_denormal(True)  # as our kernels do
    print(HEADER)
    rows, bandwidth = [], gigabytes_per_second()
    for name in arguments.only:
        for n_threads in arguments.threads:
            try:
                for row in MODULES[name].measure_all(n_threads, arguments.quick):
                    rows.append(row)
                    print(line(row), flush=True)
            except Skipped as reason:
                print(f"the rest of {name} is left out: {reason}", file=sys.stderr)
        keep(rows, bandwidth, arguments.out)
    print(*means(rows), sep="\n")


def keep(rows, bandwidth, folder):
    """Write what has been measured by now as JSON, and draw it."""
    folder.mkdir(exist_ok=True)
    record = provenance() | {"gigabytes_per_second": bandwidth}
    record |= {"rows": [asdict(row) for row in rows]}
    text = json.dumps(record, indent=1, allow_nan=False)
    (folder / "benchmarks.json").write_text(text + "\n")
    draw(rows, folder / "benchmarks.png")
    draw_roofline(rows, bandwidth, folder / "roofline.png")


main()
