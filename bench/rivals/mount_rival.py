"""Buckets mounted as folders, by s3fs and by rclone: files that eight threads create, neither of them flushed to a device."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from contest import Operation, Unusable
from s3_scene import S3Scene

NAME = "mounts"
VERSION = ""

WRITERS = 8
SECONDS_TO_MOUNT = 20


def _unmount(process: subprocess.Popen[bytes], folder: str) -> None:
    # both unmount when they are asked to end
    process.terminate()
    try:
        process.wait(SECONDS_TO_MOUNT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if not os.path.ismount(f"{folder}/mount"):
        shutil.rmtree(folder, ignore_errors=True)


def _mounted(scene: S3Scene, program: str, command: Callable[[S3Scene, str], list[str]]) -> str:
    """Mounts the bucket until this process ends, and returns where."""
    found = shutil.which(program)
    if found is None:
        raise Unusable(f"{program} is not installed")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Unusable("there is no /dev/fuse for this user")
    folder = tempfile.mkdtemp(prefix="bench-mount-")
    place = f"{folder}/mount"
    os.mkdir(place)
    # rclone ends at once where this names certificates
    environment = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
    with open(f"{folder}/told", "wb") as told:
        process = subprocess.Popen([found, *command(scene, folder)], stdin=subprocess.DEVNULL, stdout=told, stderr=told, env=environment)
    atexit.register(_unmount, process, folder)
    until = time.monotonic() + SECONDS_TO_MOUNT
    while not os.path.ismount(place):
        if process.poll() is not None or time.monotonic() > until:
            raise Unusable(f"{program} did not mount the bucket: {Path(folder, 'told').read_text()[-500:]}")
        time.sleep(0.02)
    return place


def _s3fs_command(scene: S3Scene, folder: str) -> list[str]:
    options = scene.server.options
    secret = Path(folder, "secret")
    secret.touch(0o600)
    secret.write_text(f"{options['access_key_id']}:{options['secret_access_key']}\n")
    settings = f"url={scene.server.endpoint},use_path_request_style,passwd_file={secret},endpoint={options['region']}"
    return [scene.server.drops, f"{folder}/mount", "-f", "-o", settings]


def _rclone_command(scene: S3Scene, folder: str) -> list[str]:
    options = scene.server.options
    settings = {
        "type": "s3",
        "provider": "Other",
        "endpoint": scene.server.endpoint,
        "region": options["region"],
        "access_key_id": options["access_key_id"],
        "secret_access_key": options["secret_access_key"],
        "force_path_style": "true",
    }
    configuration = Path(folder, "rclone.conf")
    configuration.touch(0o600)
    configuration.write_text("[bench]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()))
    cache = ["--vfs-cache-mode", "writes", "--cache-dir", f"{folder}/cache"]
    return ["mount", f"bench:{scene.server.drops}", f"{folder}/mount", "--config", str(configuration), *cache]


def _create(scene: S3Scene, place: str) -> Operation:
    numbers = itertools.count()
    folder = Path(place, "bench-mount")
    folder.mkdir(exist_ok=True)

    def write(_: int) -> None:
        with open(folder / f"{os.getpid()}-{next(numbers)}", "wb") as file:
            file.write(scene.data)

    def run() -> None:
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(write, range(scene.calls)))

    return Operation(run=run, calls=scene.calls)


def s3fs(scene: S3Scene) -> Operation:
    """A file is at the store when it is closed."""
    return _create(scene, _mounted(scene, "s3fs", _s3fs_command))


def rclone(scene: S3Scene) -> Operation:
    """A closed file lies in rclone's cache and is uploaded later."""
    return _create(scene, _mounted(scene, "rclone", _rclone_command))


OPERATIONS = {"s3fs": s3fs, "rclone": rclone}
