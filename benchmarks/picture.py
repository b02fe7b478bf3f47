"""The table as one picture: sklstm's share of the limit, and ratios to the peers."""

import matplotlib.pyplot as plt


def draw(rows, path):
    """Write a PNG: a bar for each ratio, grouped by what was measured."""
    rows = [row for row in rows if row.peer and row.unit == "s"]
    rows = [row for row in rows if row.what not in ("growth", "ragged")]
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
