"""How ranks tell one of them what they saved."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist


def gather(value: Any, group: dist.ProcessGroup | None = None) -> list[Any] | None:
    """What all ranks of a process group give, on its first rank; None on the others: the ``gather`` of ``save_state``.

    Args:
        value: What this rank gives, plain JSON.
        group: The process group; None is the default one. Saves behind the training (``AsyncSaver``) need one of their own, over gloo.

    Returns:
        A list in the order of the ranks, or None.

    Raises:
        RuntimeError: As torch says.
    """
    first = dist.get_rank(group) == 0
    gathered: list[Any] | None = [None] * dist.get_world_size(group) if first else None
    dist.gather_object(value, gathered, dst=0 if group is None else dist.get_global_rank(group, 0), group=group)
    return gathered
