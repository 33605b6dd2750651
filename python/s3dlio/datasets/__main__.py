"""``python3 -m s3dlio.datasets index ADDRESS MANIFEST``: lists objects and writes a manifest of them."""

from __future__ import annotations

import argparse
import sys
import time

from .. import exceptions
from . import index, manifest


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; 0: done, 1: it failed."""
    parser = argparse.ArgumentParser(prog="python3 -m s3dlio.datasets", description="Manifests of data sets.")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("index", help="list the objects below an address and write a manifest of them")
    one.add_argument("uri", help="a prefix or directory")
    one.add_argument("manifest", help="where the manifest goes")
    one.add_argument("--pattern", help="of names, such as '*.jpg'")
    one.add_argument("--checksums", choices=("none", "recorded", "read"), default="none", help="keep the CRC32C of each object")
    two = commands.add_parser("verify", help="ask the stores whether the objects are still those of a manifest")
    two.add_argument("manifest")
    chosen = parser.parse_args(arguments)
    begun = time.perf_counter()
    try:
        if chosen.command == "index":
            count = index(chosen.uri, chosen.manifest, chosen.pattern, checksums=chosen.checksums)
            print(f"{count} objects in {time.perf_counter() - begun:.1f} s")
            return 0
        found = manifest(chosen.manifest)
        changed = found.changed()
        for uri in changed:
            print(uri)
        print(f"{len(found)} objects, {len(changed)} changed", file=sys.stderr)
        return 1 if changed else 0
    except exceptions.S3dlioError as error:
        print(f"s3dlio: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
