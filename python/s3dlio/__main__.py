"""``python -m s3dlio``: what is installed, and whether it works."""

from __future__ import annotations

import argparse
import sys

from ._core import _native
from ._version import find_version


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and gives its exit status."""
    parser = argparse.ArgumentParser(prog="python -m s3dlio", description="Tensors between memory and storage, every byte checked.")
    parser.add_argument("--version", action="store_true", help="print the versions of the package and of its library")
    chosen = parser.parse_args(arguments)
    if not chosen.version:
        parser.print_help()
        return 2
    try:
        print(f"s3dlio {find_version()} (library {_native.version()}, ABI {_native.ABI_VERSION})")
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
