"""The real servers that tests/servers/servers.sh brings up, each as a base URI of this run's own and its storage options.

    uri, options = s3_server()
    s3dlio.put(f"{uri}/name", data, storage_options=options)

Each function skips the test, or the module that calls it while being imported, with the reason where the server cannot be had.
"""

import json
import os
import time
import uuid
from typing import Any

import pytest

_RUN = f"py-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:8]}"


def s3_server() -> tuple[str, dict[str, Any]]:
    """The newest Ceph, or the account that S3DLIO_TEST_S3_URI names."""
    return _server("S3")


def s3_tls_server() -> tuple[str, dict[str, Any]]:
    """The same over https; its authority is the option ca_bundle."""
    return _server("S3_TLS")


def s3_old_server() -> tuple[str, dict[str, Any]]:
    """Ceph 16.2: no checksums, and conditional completes are ignored."""
    return _server("S3_OLD")


def s3_moto_server() -> tuple[str, dict[str, Any]]:
    """moto, which test suites use most: what it gets wrong is named by those who skip it."""
    return _server("S3_MOTO")


def azure_server() -> tuple[str, dict[str, Any]]:
    """Azurite, or the account that S3DLIO_TEST_AZURE_URI names."""
    return _server("AZURE")


def azure_tls_server() -> tuple[str, dict[str, Any]]:
    """Azurite over https, its authority the option ca_bundle, where bearer tokens are taken: of those it judges all but the signature."""
    return _server("AZURE_TLS")


def _server(name: str) -> tuple[str, dict[str, Any]]:
    uri = os.environ.get(f"S3DLIO_TEST_{name}_URI")
    if not uri:
        started = os.environ.get("S3DLIO_TEST_SERVERS") == "up"
        reason = os.environ.get(f"S3DLIO_TEST_{name}_SKIP") or (
            "servers.sh said nothing of it" if started else "the servers are not up: tests/servers/servers.sh with DIR pytest ..."
        )
        pytest.skip(f"no {name} server: {reason}", allow_module_level=True)
    options: dict[str, Any] = json.loads(os.environ.get(f"S3DLIO_TEST_{name}_OPTIONS") or "{}")
    return f"{uri.rstrip('/')}/{_RUN}", options
