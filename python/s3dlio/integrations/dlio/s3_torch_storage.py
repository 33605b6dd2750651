"""s3dlio in the place of DLIO's ``s3_torch_storage.py``; ``s3dlio.integrations.dlio.install_dropin_replacement`` puts it there."""

from __future__ import annotations

from typing import Any

from dlio_benchmark.common.enumerations import MetadataType, NamespaceType
from dlio_benchmark.storage.s3_storage import S3Storage
from dlio_benchmark.storage.storage_handler import Namespace

from s3dlio.integrations.dlio._nodes import Nodes, configure


class S3PyTorchConnectorStorage(Nodes, S3Storage):  # type: ignore[misc]
    """Objects of any store, under the name that DLIO's factory asks for."""

    kinds = MetadataType

    def __init__(self, namespace: str, framework: Any = None) -> None:
        # not that of S3Storage, whose client is not used
        super(S3Storage, self).__init__(framework)
        self.namespace = Namespace(namespace, NamespaceType.FLAT)
        self.prefix = namespace
        configure(getattr(self, "_args", None))
