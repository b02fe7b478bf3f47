"""The table as pictures: ratios to the peers, and training steps under a roofline."""

import matplotlib.pyplot as plt

from benchmarks.side_by_side import WHOLES


def draw(rows, path):
    """Write a PNG: a bar for each ratio, grouped by what was measured."""
    rows = [row for row in rows if row.peer and row.unit == "s"]
    rows = [row for row in rows if row.what not in ("growth", "ragged", "start-up")]
    own = ("sklstm, 1 thread", *WHOLES)
    rows = [row for row in rows if row.peer not in own]
    if not rows:
        return
    threads = sorted({row.n_threads for row in rows})
    labels = list(dict.fromkeys(_label(row) for row in rows))
    figure, axes = plt.subplots(
        figsize=(9, 1.2 + 0.26 * len(labels)), layout="constrained"
    )
    height = 0.8 / len(threads)
    for i, n_threads in enumerate(threads):
        ratios = {_label(row): row.ratio for row in rows if row.n_threads == n_threads}
        places = [labels.index(label) + (i + 0.5) * height - 0.4 for label in ratios]
        name = f"{n_threads} thread{'s' if n_threads > 1 else ''}"
        axes.barh(places, ratios.values(), height, label=name)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.invert_yaxis()
    axes.margins(y=0.005)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("times as long as sklstm (logarithmic)")
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _label(row):
    return f"{row.what} ({row.case}), {row.peer}"


def draw_roofline(rows, bandwidth, path):
    """Write a PNG: GFLOP/s of training steps on one thread, against their intensity.

    The intensity is how many operations there are for each byte of what the way
    forward keeps for the way back. The roof is the multiply-add limit, and for low
    intensities what the memory (`bandwidth` in GB/s) lets through, which only what
    stays in a cache can exceed.
    """
    rows = [row for row in rows if row.traffic and row.n_threads == 1]
    if not rows:
        return
    limit = sorted(row.limit for row in rows)[len(rows) // 2]
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    ridge = limit / bandwidth
    ends = [ridge / 3, ridge, 300]
    axes.plot(ends, [limit / 3, limit, limit], color="black", linewidth=1)
    axes.text(40, limit * 1.04, f"multiply-adds: {limit:.0f} GFLOP/s", fontsize=8)
    axes.text(
        ridge / 2, limit / 2.2, f"memory: {bandwidth:.0f} GB/s", fontsize=8, va="top"
    )
    for row in rows:
        intensity = row.operations / row.traffic
        (points,) = axes.plot(intensity, row.gflops, "o", label=row.case)
        axes.plot(
            intensity, row.operations / row.theirs / 1e9, "x", color=points.get_color()
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_yticks([20, 50, 100, 200])
    axes.yaxis.set_minor_formatter("")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.set_xlabel("operations for each byte kept for the way back")
    axes.set_ylabel("GFLOP/s, one thread (dots: sklstm, crosses: PyTorch)")
    axes.legend(title="batch, steps, channels, units", fontsize=7, title_fontsize=7)
    figure.savefig(path, dpi=150)
    plt.close(figure)
