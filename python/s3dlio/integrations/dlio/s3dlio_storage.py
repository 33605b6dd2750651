"""DLIO's storage type ``s3dlio``; ``s3dlio.integrations.dlio.install_s3dlio_storage`` puts this file into a DLIO."""

from __future__ import annotations

from typing import Any

from dlio_benchmark.common.enumerations import MetadataType, NamespaceType
from dlio_benchmark.storage.storage_handler import DataStorage, Namespace

from s3dlio.integrations.dlio._nodes import Nodes, configure


class S3dlioStorage(Nodes, DataStorage):  # type: ignore[misc]
    """Objects of any store: ``storage_root`` is an address."""

    kinds = MetadataType

    def __init__(self, namespace: str, framework: Any = None) -> None:
        DataStorage.__init__(self, framework)
        self.namespace = Namespace(namespace, NamespaceType.FLAT)
        self.prefix = namespace
        configure(getattr(self, "_args", None))
