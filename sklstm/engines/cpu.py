"""The CPU engine: shards on threads, gradients added in a fixed order."""

from functools import cached_property

import numpy as np

from sklstm.engines.crew import Crew
from sklstm.kernels import dropout, layout, losses, outline, pooling
from sklstm.kernels.packing import add_gradients, pack
from sklstm.kernels.parts import (
    advance,
    gradient_of_part,
    predict_part,
    scratch_size,
    truncated_gradient_of_part,
)
from sklstm.kernels.shard import SHARD
from sklstm.kernels.simd import lanes_of

# A minibatch's shards are dealt to at most so many parts, each with a gradient of its
# own. This bounds memory, and the threads that find work; it must not depend on them.
MAX_PARTS = 32

# Operations of a part from which on Ctrl-C is heard while it runs: a hundredth of a
# second with AVX-512, a tenth on slow processors. The caller's thread then only waits.
LONG = 10**9

# Operations that a thread must have of a prediction to be worth its start, which takes
# some tenths of a millisecond.
WORTH_A_THREAD = 10**8

# What a step of a sequence takes beside the products, as operations: a network of one
# unit takes 0.15 us for a step, of one sequence or of sixteen.
OPERATIONS_OF_STEP = 2000

NO_END = 2**62  # steps, more than any sequence has

# Steps in a part of a prediction: Ctrl-C is heard between parts.
STEPS_IN_PART = 2**16

# Steps that a prediction takes through all layers at a time. What one of 64 units hands
# up in them takes 256 KiB, an eighth of the second cache of a recent processor.
PIECE = 64


class CPUEngine:
    """Loss, gradient and predictions of a network, on threads of this process.

    Any number of threads gives the same bits. To be used in a ``with`` block, which
    ends the threads; from one thread at a time.

    Parameters
    ----------
    network : Network
    loss : str
        A key of `losses.KINDS`.
    dtype : dtype
        float32 or float64: that of parameters, sequences and targets.
    n_threads : int
    quantile : float
        Of the loss of that name.
    bptt_length : int, optional
        Gradients are cut every so many steps from a sequence's start.
    """

    def __init__(
        self,
        network,
        *,
        loss,
        dtype,
        n_threads,
        quantile=0.5,
        bptt_length=None,
    ):
        self._network = network
        self._loss_name, self._quantile = loss, float(quantile)
        self._ready = False
        self._bptt_length = NO_END if bptt_length is None else bptt_length
        self._dtype = np.dtype(dtype)
        self._layers, packed_size, self._gradient_size = layout.layer_table(
            network, dtype
        )
        self._sizes = {
            way_back: layout.region_sizes(
                self._layers,
                network.n_recurrent,
                network.n_directions,
                dtype,
                way_back=way_back,
            )
            for way_back in (True, False)
        }
        # Those of the products, whose vectors are whole, and what a step costs besides.
        products = int((self._layers["n_rows"] * self._layers["n_vectors"]).sum())
        self._operations_of_step = 2 * lanes_of(dtype) * products + OPERATIONS_OF_STEP
        # What kernels take: the numbers that the records are made of.
        self._table = self._layers.view(np.int64)
        self._packed = _zeros(packed_size, dtype)
        self._gradients = _zeros((0, self._gradient_size), dtype)
        self._n_threads = min(n_threads, MAX_PARTS)
        self._work = [_zeros(0, dtype)] * self._n_threads
        self._offsets = [None] * self._n_threads
        self._longest = [0] * self._n_threads
        self._crew = Crew(self._n_threads)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._crew.dismiss()

    def __setstate__(self, state):
        self.__dict__ = state
        # Kernels are elsewhere in another process, and copies of views are no views.
        self._table = self._layers.view(np.int64)
        self._ready = False
        self.__dict__.pop("_loss", None)

    def loss_and_gradient(
        self, parameters, sequences, rows, targets, weights=None, dropout_keys=None
    ):
        """Return the weighted sum of the losses of some samples, and its gradient.

        Parameters
        ----------
        parameters : array (n_parameters,)
        sequences : Sequences
        rows : array of int (n_rows,)
            The samples: indices of `sequences`, `targets` and `weights`.
        targets : array (n_samples, n_targets)
            For "log_loss" the number of the class.
        weights : array of float64 (n_samples,), optional
            Ones by default.
        dropout_keys : array of int64 (n_samples,), optional
            What is dropped depends on them; to be given where there is dropout.

        Returns
        -------
        loss : float
        gradient : array (n_parameters,)
        """
        if weights is None:
            weights = np.ones(len(sequences))
        n_parts = min(_n_shards(rows), MAX_PARTS)
        if len(self._gradients) < n_parts:
            self._gradients = _zeros((n_parts, self._gradient_size), self._dtype)
        if dropout_keys is None:
            dropout_keys = np.empty(0, np.int64)
        targets, weights = _read_only(targets), _read_only(weights)
        dropout_keys = _read_only(dropout_keys)
        totals = np.empty(n_parts)
        arguments, lengths, stop = self._prepare(
            parameters, sequences, rows, way_back=True
        )
        truncated = lengths[0] > self._bptt_length

        def run(part, worker):
            data = arguments(part, n_parts, worker)
            given = dropout_keys, *self._loss, targets, weights
            out = totals[part : part + 1], self._gradients[part]
            if truncated:
                first, second = data[:3], data[4:]  # without the number of directions
                truncated_gradient_of_part(
                    *first, *second, *given, *out, self._bptt_length
                )
            else:
                gradient_of_part(*data, *given, *out)

        n_steps = int(lengths.sum())
        self._run(run, n_parts, 3 * self._operations(n_steps), stop)
        gradient = np.empty_like(parameters)
        add_gradients(self._table, self._gradients[:n_parts], gradient)
        return sum(totals.tolist()), gradient

    def predict(self, parameters, sequences):
        """Return the raw outputs (n_samples, n_outputs) of all `sequences`."""
        output = np.empty((len(sequences), self._network.n_outputs), self._dtype)
        self._forward(parameters, sequences, True, output)
        return output

    def transform(self, parameters, sequences):
        """Return what sums each sequence up (n_samples, n_pooled)."""
        output = np.empty((len(sequences), self._network.n_pooled), self._dtype)
        self._forward(parameters, sequences, False, output)
        return output

    def _forward(self, parameters, sequences, head, output):
        piece = self._steps_of_piece(sequences.lengths)
        n_steps = int(sequences.lengths.sum())
        # More parts than threads, as one may take longer than another.
        worth_it = 1 + self._operations(n_steps) // WORTH_A_THREAD
        n_parts = max(min(8 * self._n_threads, worth_it), n_steps // STEPS_IN_PART)
        n_parts = min(n_parts, _n_shards(sequences))
        rows = np.arange(len(sequences))
        arguments, _, stop = self._prepare(parameters, sequences, rows, way_back=False)

        def run(part, worker):
            predict_part(*arguments(part, n_parts, worker), piece, head, output)

        self._run(run, n_parts, self._operations(n_steps), stop)

    def _operations(self, n_steps):
        """Return how many operations a prediction takes; training takes three times."""
        return n_steps * self._operations_of_step

    def _run(self, run, n_parts, operations, stop):
        """Run the kernels; where a part takes long, Ctrl-C stops them."""
        takes_long = operations // n_parts > LONG
        self._crew.run(run, n_parts, stop if takes_long else None)

    @cached_property
    def _loss(self):
        """What kernels take: address and kind of the loss, and the quantile."""
        kernel, kind = losses.KINDS[self._loss_name]
        return outline.address_of(kernel, self._dtype), kind, self._quantile

    def _compile(self):
        """Make kernels ready, in the first call: whoever stops a first fit stops it."""
        if not self._ready:
            _make_ready(self._layers, self._dtype)
            self._ready = True

    def _prepare(self, parameters, sequences, rows, way_back):
        """Pack the parameters; return what each kernel call begins with, a function.

        And the lengths of the samples `rows`, which are sorted, longest first; and what
        stops the kernels, once it is not 0.
        """
        if sequences.n_channels != self._network.n_channels:
            raise ValueError(
                f"X has {sequences.n_channels} channels, but the network takes "
                f"{self._network.n_channels}."
            )
        self._compile()
        pack(self._table, _read_only(parameters), way_back, self._packed)
        lengths = sequences.lengths[rows]
        order = (-lengths).argsort(kind="stable")
        samples, lengths = rows[order], lengths[order]
        longest, size = int(lengths[0]), self._workspace_size(lengths, way_back)
        if not way_back:
            longest = min(longest, self._steps_of_piece(lengths))
        data = (
            self._table,
            self._sizes[way_back],
            self._network.n_recurrent,
            self._network.n_directions,
            self._packed,
            _read_only(sequences.values),
            sequences.starts[samples],
            lengths,
            samples,
        )

        stop = np.zeros(1, np.int64)

        def arguments(part, n_parts, worker):
            scratch = self._scratch(worker, size, longest)
            return *data, part, n_parts, *scratch, stop

        return arguments, lengths, stop

    def _workspace_size(self, lengths, way_back):
        """Return the values of the workspace of a thread; `lengths` fall.

        The first shard has the most steps.
        """
        n, sizes = min(len(lengths), SHARD), self._sizes[way_back]
        if not way_back:
            steps = int(np.minimum(lengths[:n], self._steps_of_piece(lengths)).sum())
            return layout.workspace_size(sizes, n, steps, n)
        steps = int(lengths[:n].sum())
        n_pieces = -(-int(lengths[0]) // self._bptt_length)
        if n_pieces == 1:
            return layout.workspace_size(sizes, steps, steps, n)
        steps = n * self._bptt_length
        states = n_pieces * n * 2 * int(self._state_rows().sum())
        return layout.workspace_size(sizes, steps, steps, n) + states

    def _steps_of_piece(self, lengths):
        """Return how many steps a prediction takes through all layers at a time.

        All of them where a backward direction begins at the end.
        """
        return PIECE if self._network.n_directions == 1 else int(lengths.max())

    def bytes_of_training(self, lengths, batch_size):
        """Return the memory that training may take, beside the data.

        It does where the longest sequences meet in a minibatch.

        Parameters
        ----------
        lengths : array of int64 (n_samples,)
        batch_size : int
        """
        n_parts = min(-(-batch_size // SHARD), MAX_PARTS)
        n_threads = min(self._n_threads, n_parts)
        longest = -np.sort(-lengths)[: min(SHARD, batch_size)]
        values = n_threads * self._workspace_size(longest, way_back=True)
        # Parameters, packed ones, their gradients, and what optimizers keep; the last
        # two twice, for training to go back to.
        values += n_parts * self._gradient_size + len(self._packed)
        values += 8 * self._network.n_parameters
        return values * self._dtype.itemsize

    def bytes_of_prediction(self, lengths):
        """Return the memory that prediction takes, beside X and output."""
        n_threads = min(self._n_threads, -(-len(lengths) // SHARD))
        longest = -np.sort(-lengths)[:SHARD]
        values = n_threads * self._workspace_size(longest, way_back=False)
        return values * self._dtype.itemsize

    def bytes_of_stream(self, n_series):
        """Return the memory that the states of a stream take at least."""
        return n_series * 2 * int(self._state_rows().sum()) * self._dtype.itemsize

    def stream(self, parameters, n_series):
        """Return a `CPUStream`, which takes single steps of `n_series` series."""
        self._compile()
        pack(self._table, _read_only(parameters), False, self._packed)
        n = min(n_series, SHARD)
        return CPUStream(
            self._network,
            self._layers,
            self._sizes[False],
            self._packed,
            layout.workspace_size(self._sizes[False], n, n, n),
            self._offset(1),
            n_series,
        )

    def _offset(self, n_steps):
        return np.empty(scratch_size(len(self._layers), n_steps), np.int64)

    def _state_rows(self):
        """Return how many values a state of each recurrent layer takes."""
        vectors = self._layers["n_unit_vectors"][: self._network.n_recurrent]
        return vectors * lanes_of(self._dtype)

    def _scratch(self, worker, size, n_steps):
        """Return the workspace and offsets of a worker of the crew."""
        if len(self._work[worker]) < size:
            self._work[worker] = _zeros(size, self._dtype)
        if self._longest[worker] < n_steps:
            self._longest[worker] = n_steps
            self._offsets[worker] = self._offset(n_steps)
        return self._work[worker], self._offsets[worker]


class CPUStream:
    """Single steps of several series, whose states are kept in between.

    Parameters
    ----------
    network : Network
        With one direction.
    layers, sizes, packed : array
        As the kernels take them.
    n_scratch : int
        Values of the workspace.
    offset : array
        As the kernels take it.
    n_series : int
    """

    def __init__(self, network, layers, sizes, packed, n_scratch, offset, n_series):
        self._network, self._n_series = network, n_series
        self._rows = layers["n_unit_vectors"][: network.n_recurrent]
        self._rows = self._rows * lanes_of(packed.dtype)
        self._pooling = layers["pooling"][network.n_recurrent - 1]
        self._pooled = pooling.KEPT[self._pooling]
        n_rows = 2 * self._rows.sum()
        n_rows += self._rows[-1] * len(self._pooled)
        n_kept = n_series * int(n_rows)
        self._work = _zeros(n_kept + n_scratch, packed.dtype)
        self._n_steps = np.zeros(n_series, np.int64)
        self._layers = layers
        self._weights = layers.view(np.int64), sizes, network.n_recurrent, packed
        one_step_each = np.arange(SHARD), np.ones(SHARD, np.int64)
        stop = np.zeros(1, np.int64)
        self._rest = *one_step_each, n_kept, self._n_steps, self._work, offset, stop
        self.reset(slice(None))

    def __setstate__(self, state):
        self.__dict__ = state
        table, *others, packed = self._weights
        _make_ready(self._layers, packed.dtype)  # in this process
        self._weights = self._layers.view(table.dtype), *others, packed

    def step(self, x):
        """Take a step.

        Parameters
        ----------
        x : C-contiguous array (n_series, n_channels)
            Of the network's dtype.

        Returns
        -------
        raw : array (n_series, n_outputs)
        finite : bool
            Whether all of `x` is; if not, the step has not been taken.
        """
        raw = np.empty((self._n_series, self._network.n_outputs), self._work.dtype)
        return raw, advance(*self._weights, _read_only(x), *self._rest, raw)

    def reset(self, series):
        """Go back to before the first step of some series."""
        for kept in self.state().values():
            kept[series] = 0
        if self._pooling == pooling.MAX:
            self.state()["pooled"][series] = pooling.LEAST

    def state(self):
        """Return views of all that is kept, by name."""
        shapes = [*zip(self._network.layers, self._rows, strict=False)]
        kept = [
            (f"{name}_l{level}", *shape)
            for level, shape in enumerate(shapes)
            for name in "hc"
        ]
        kept += [(name, *shapes[-1]) for name in self._pooled]
        views, start = {}, 0
        for name, layer, row in kept:
            views[name] = self._kept(start, row)[:, : layer.n_units]
            start += self._n_series * row
        if self._pooled:
            views["n_steps"] = self._n_steps
        return views

    def _kept(self, start, row):
        stop = start + self._n_series * row
        return self._work[start:stop].reshape(self._n_series, row)


def _make_ready(layers, dtype):
    """Compile what a network needs, or load it, and tell its layers where it is."""
    outline.ready(dtype)
    for kernels, needs in (
        (pooling.KERNELS, "pooling"),
        ([dropout.drop_step], "dropout"),
        ([dropout.draw_masks, dropout.mask_rows], "recurrent_dropout"),
    ):
        need = layers[needs] > 0
        for kernel in kernels if need.any() else ():
            layers[kernel.kernel.__name__][need] = outline.address_of(kernel, dtype)


def _zeros(shape, dtype):
    """Return zeros that begin on a cache line, which no vector then straddles."""
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(n_bytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def _n_shards(samples):
    return -(-len(samples) // SHARD)


def _read_only(array):
    """Return a read-only view: one type, so one compilation, whatever came in."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view
