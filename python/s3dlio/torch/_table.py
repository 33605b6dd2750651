"""Layers over embedding tables, whose gradients go straight into the table."""

from __future__ import annotations

from typing import Any, Literal

import torch

from .._tables._table import EmbeddingTable, OnReplay, memory_of
from ..exceptions import InvalidArgumentError, InvalidDataError


class Embedding(torch.nn.Module):  # type: ignore[misc]
    """The rows of a table by their keys, as ``torch.nn.Embedding`` has them, with keys of any 64 bits and more rows than memory holds.

    There is no weight and nothing for an optimizer to do: when ``backward`` has gone through, the gradients of all uses of this layer in it
    are given to the table as one batch, and the table's own optimizer applies them. Over a table that is read only the rows take no
    gradient. A worker process, forked or spawned, reads the table's newest checkpoint.

    The layer's ``state_dict`` has what :meth:`s3dlio.EmbeddingTable.state_dict` says, not the rows: make the table's checkpoint first.

    Args:
        table: The table. Several layers may share one, and a model may have several tables.
        session: Whose batches the gradients are; see :meth:`s3dlio.EmbeddingTable.apply_gradients`.
        on_replay: About a batch whose serial was applied before: ``"raise"`` or ``"skip"``.

    Attributes:
        serial: The next batch's number, such as the training step; set it before each ``backward``. None: the session's next.

    Example:
        >>> import tempfile, s3dlio, s3dlio.torch, torch
        >>> with tempfile.TemporaryDirectory() as folder, s3dlio.EmbeddingTable.open(folder, 3, optimizer=s3dlio.SGD(lr=1.0)) as table:
        ...     layer = s3dlio.torch.Embedding(table)
        ...     layer(torch.tensor([[5, -7, 5]])).sum().backward()
        ...     layer(torch.tensor([5])).tolist(), table.sessions
        ([[-2.0, -2.0, -2.0]], {'default': 0})
    """

    def __init__(self, table: EmbeddingTable, *, session: str = "default", on_replay: OnReplay = "raise") -> None:
        super().__init__()
        if not isinstance(table, EmbeddingTable):
            raise InvalidArgumentError(f"Embedding is over an s3dlio.EmbeddingTable, found {type(table).__name__}")
        self._table = table
        self.session = session
        self.on_replay: OnReplay = on_replay
        self.serial: int | None = None
        #: Keys and gradients of the backward passes under way, by their number in torch.
        self._gathered: dict[int, list[tuple[Any, Any]]] = {}

    @property
    def table(self) -> EmbeddingTable:
        """The table; in a forked child a reader of its newest checkpoint."""
        if self._table.is_elsewhere:
            self._table = self._table.reader()
            self._gathered = {}
        return self._table

    @property
    def embedding_dim(self) -> int:
        """Numbers of a row."""
        return self._table.dim

    def forward(self, keys: Any) -> Any:
        """The rows of a tensor of integers, of shape ``(*keys.shape, embedding_dim)``, on the keys' device."""
        table = self.table
        if table.mode == "r" or not torch.is_grad_enabled():
            return table.lookup(keys)
        rows = _Rows.apply(_anchor(), keys, self)
        return rows

    def _gather(self, keys: Any, gradients: Any) -> None:
        """Takes the gradients of one use; at the end of a backward pass they are applied. A pass that fails leaves its own behind."""
        task = torch._C._current_graph_task_id()
        if task not in self._gathered:
            self._gathered[task] = []
            torch.autograd.Variable._execution_engine.queue_callback(lambda: self._apply_gathered(task))
        self._gathered[task].append((keys, gradients))

    def _apply_gathered(self, task: int) -> None:
        gathered = self._gathered.pop(task)
        dim = self.embedding_dim
        keys = [keys.reshape(-1) for keys, _ in gathered]
        gradients = [gradients.reshape(-1, dim) for _, gradients in gathered]
        one = len(gathered) == 1
        self.table.apply_gradients(
            keys[0] if one else torch.cat([some.cpu() for some in keys]),
            gradients[0] if one else torch.cat([some.to("cpu", torch.float32) for some in gradients]),
            self.serial, session=self.session, on_replay=self.on_replay,
        )  # fmt: skip

    def get_extra_state(self) -> dict[str, Any]:
        """For ``state_dict``: the table and its newest checkpoint."""
        return self.table.state_dict()

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """For ``load_state_dict``: refuses a table that is not the state's.

        Raises:
            InvalidDataError: It is another table, or was opened as of another checkpoint.
        """
        found = self.table.state_dict()
        if (found["table"], found["version"]) != (state["table"], state["version"]):
            raise InvalidDataError(
                f"{self.table.path}: the state is of checkpoint {state['version']} of the table {state['table']}, this is checkpoint "
                f"{found['version']} of {found['table']}; open the table with version={state['version']}",
                self.table.path,
            )

    def extra_repr(self) -> str:
        """What ``repr`` shows."""
        return f"{self._table.path!r}, dim={self._table.dim}, mode={self._table.mode!r}"

    def __getstate__(self) -> dict[str, Any]:
        settings = {"memory": memory_of(self._table)}
        return {**self.__dict__, "_table": (self._table.path, settings), "_gathered": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        path, settings = state["_table"]
        module: Any = super()
        module.__setstate__({**state, "_table": EmbeddingTable.open(path, mode="r", **settings)})


class EmbeddingBag(Embedding):
    """Sums or means of rows, as ``torch.nn.EmbeddingBag`` has them; otherwise as :class:`Embedding`.

    Args:
        table: The table.
        mode: ``"sum"`` or ``"mean"``. An empty bag is zeros.
        include_last_offset: Whether offsets end with the number of keys.
        session: As for :class:`Embedding`.
        on_replay: As for :class:`Embedding`.

    Example:
        >>> import tempfile, s3dlio, s3dlio.torch, torch
        >>> with tempfile.TemporaryDirectory() as folder, s3dlio.EmbeddingTable.open(folder, 2) as table:
        ...     _ = table.upsert([1, 2], [[1.0, 2.0], [3.0, 6.0]])
        ...     layer = s3dlio.torch.EmbeddingBag(table, mode="mean")
        ...     layer(torch.tensor([1, 2, 2]), torch.tensor([0, 2])).tolist()
        [[2.0, 4.0], [3.0, 6.0]]
    """

    def __init__(
        self,
        table: EmbeddingTable,
        mode: Literal["sum", "mean"] = "mean",
        include_last_offset: bool = False,
        *,
        session: str = "default",
        on_replay: OnReplay = "raise",
    ) -> None:
        super().__init__(table, session=session, on_replay=on_replay)
        if mode not in ("sum", "mean"):
            raise InvalidArgumentError(f"mode is 'sum' or 'mean', found {mode!r:.20}")
        self.mode = mode
        self.include_last_offset = include_last_offset

    def forward(self, keys: Any, offsets: Any = None, per_sample_weights: Any = None) -> Any:
        """A row for each bag: rows of a matrix of keys, or, with offsets, stretches of a vector of keys.

        Args:
            keys: Integers, ``(bags, n)``, or ``(n,)`` with offsets.
            offsets: Where each bag begins in a vector of keys.
            per_sample_weights: A factor for each key, for sums.
        """
        if (keys.dim() == 1) == (offsets is None) or keys.dim() > 2:
            raise InvalidArgumentError(
                f"keys are a matrix, or a vector with offsets, found {tuple(keys.shape)}"
                f"{' with' if offsets is not None else ' without'} offsets"
            )
        if offsets is None:
            bags, size = keys.shape
            offsets = (
                torch.arange(0, bags * size + self.include_last_offset, max(size, 1), device=keys.device)
                if size
                else torch.zeros(bags + self.include_last_offset, dtype=torch.int64, device=keys.device)
            )
            keys = keys.reshape(-1)
            per_sample_weights = None if per_sample_weights is None else per_sample_weights.reshape(-1)
        rows = super().forward(keys)
        places = torch.arange(len(keys), device=rows.device)
        result = torch.nn.functional.embedding_bag(
            places,
            rows,
            offsets.to(rows.device),
            mode=self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
        )
        return result


def _gather(context: Any, gradients: Any) -> tuple[None, None, None]:
    context.layer._gather(context.keys, gradients)
    return None, None, None


class _Rows(torch.autograd.Function):  # type: ignore[misc]
    """A lookup whose gradients the layer takes."""

    @staticmethod
    def forward(context: Any, anchor: Any, keys: Any, layer: Embedding) -> Any:
        # a copy: whoever fills the same memory with the next batch's keys before the backward pass would send gradients to those
        context.keys, context.layer = keys.detach().clone(), layer
        return layer.table.lookup(keys)

    # called, and not above the function: it has no types
    backward = staticmethod(torch.autograd.function.once_differentiable(_gather))


def _anchor() -> Any:
    """What makes autograd keep a lookup: keys are integers and take no gradient."""
    return torch.zeros((), requires_grad=True)
