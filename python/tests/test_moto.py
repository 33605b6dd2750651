"""Objects of moto's server, which test suites use most.

What it labels wrongly is recognised, and the fixture of docs/configuration.md works.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from servers_fixture import s3_moto_server

import s3dlio

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").split("## Testing with moto")[1]
PACKAGE = str(Path(s3dlio.__file__).resolve().parents[1])

# a process of its own: what the library notices is said once in each
STREAMS = """
import json, sys, warnings
import numpy as np
import s3dlio
uri, options = sys.argv[1], json.loads(sys.argv[2])
data = np.random.default_rng(5).bytes(20_000_000)
for i in range(4):
    with s3dlio.open(f"{uri}/streams/{i}", "wb", storage_options=options) as writer:
        writer.write(data)
s3dlio.save_numpy_array(f"{uri}/streams/a.npy", np.frombuffer(data, np.uint8), storage_options=options)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for i in range(4):
        assert s3dlio.get(f"{uri}/streams/{i}", storage_options=options) == data
        with s3dlio.open(f"{uri}/streams/{i}", "rb", storage_options=options) as reader:
            assert reader.read() == data
        s3dlio.copy(f"{uri}/streams/{i}", f"{uri}/copies/{i}", storage_options=options)
        assert s3dlio.get(f"{uri}/copies/{i}", storage_options=options) == data
    assert s3dlio.load_numpy_array(f"{uri}/streams/a.npy", storage_options=options).tobytes() == data
print(json.dumps([[one.category.__name__, str(one.message), one.filename] for one in told]))
"""


def _run(*arguments: str, path: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [PACKAGE, os.environ.get("PYTHONPATH", "")]))}
    prelude = f"import sys; sys.path.append({path!r}); " if path else ""
    command = [sys.executable, "-c", prelude + arguments[0], *arguments[1:]]
    return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def test_get_of_uploads_in_parts_gives_their_bytes_and_warns_once() -> None:
    uri, options = s3_moto_server()
    done = _run(STREAMS, uri, json.dumps(options))
    assert done.returncode == 0, done.stderr[-3000:]
    told: list[list[str]] = json.loads(done.stdout)
    assert len(told) <= 1
    # with the package crc32c moto labels nothing wrongly, and there is nothing to say
    for category, message, file in told:
        assert (category, file) == ("ChecksumWarning", "<string>")
        assert "labels IEEE CRC-32 values as CRC32C" in message
        assert uri in message


def _place_of_moto() -> str:
    """The folder to add to ``sys.path`` for moto: none where it is installed, and that of a Python of the same version that has it."""
    if subprocess.run([sys.executable, "-c", "import moto.server"], capture_output=True, check=False).returncode == 0:
        return ""
    look = "import os, sys, moto.server; print(*sys.version_info[:2], os.path.dirname(os.path.dirname(moto.__file__)))"
    other = shutil.which("python3")
    found = subprocess.run([other, "-c", look], capture_output=True, text=True, check=False).stdout.split() if other else []
    if found[:2] != [str(number) for number in sys.version_info[:2]]:
        pytest.skip("neither this Python nor one of its version on PATH has moto's server: pip install 'moto[server]'")
    return found[2]


def test_fixture_of_the_documentation_works(tmp_path: Path) -> None:
    samples: list[tuple[str, str]] = re.findall(r"```python\n(# (\w+\.py)\n.*?)```", SECTION, re.S)
    assert [name for _, name in samples] == ["conftest.py", "test_shards.py"]
    for text, name in samples:
        (tmp_path / name).write_text(text, encoding="utf-8")
    program = "import sys, pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '.']))"
    done = _run(program, path=_place_of_moto(), cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "1 passed" in done.stdout
