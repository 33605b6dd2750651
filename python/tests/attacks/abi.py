"""Garbage for the C ABI. Run as ``python -m attacks.abi GROUP FOLDER`` in a process of its own, so that a crash is seen as one.

Every call has to give a status; which ones are allowed is said at each. At the end an ordinary put and get must work.
What cannot be defended is left out: pointers that are not NULL and not memory, and lengths beyond the caller's buffer
that could be true.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from attacks import abi_arguments, abi_handles, abi_threads
from attacks.abi_calls import alive

GROUPS: dict[str, Callable[[Path], None]] = {
    "nulls": abi_arguments.nulls,
    "ids": abi_arguments.ids,
    "lengths": abi_arguments.lengths,
    "text": abi_arguments.text,
    "structs": abi_arguments.structs,
    "freed operations": abi_threads.freed_operations,
    "closed lists": abi_threads.closed_lists,
    "closed files": abi_threads.closed_files,
    "closed stores": abi_threads.closed_stores,
    "closed writers": abi_handles.closed_writers,
    "closed queues": abi_handles.closed_queues,
    "freed buffers": abi_handles.freed_buffers,
    "random": abi_threads.random_calls,
}


if __name__ == "__main__":
    place = Path(sys.argv[2]).resolve()
    place.mkdir(parents=True, exist_ok=True)
    GROUPS[sys.argv[1]](place)
    alive()
    print("alive", flush=True)
