"""Runs a program beside a file system over FUSE whose answers stop on command: one flat directory of files in memory. Needs root.

    python hung_mount.py FOLDER PROGRAM ARGUMENTS...

The mount is in a mount namespace of its own, so other processes never see it. Calls whose codes stand in ``FOLDER.held`` are not answered.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

_LOOKUP, _FORGET, _GETATTR, _SETATTR, _UNLINK, _RENAME, _OPEN, _READ, _WRITE = 1, 2, 3, 4, 10, 12, 14, 15, 16
_STATFS, _RELEASE, _FSYNC, _FLUSH, _INIT, _OPENDIR, _READDIR, _RELEASEDIR = 17, 18, 20, 25, 26, 27, 28, 29
_CREATE, _INTERRUPT, _BATCH_FORGET, _RENAME2 = 35, 36, 42, 45
_SIZE_IS_SET = 1 << 3
_DETACH = 2
_NEW_MOUNTS = 0x20000
_PRIVATE_EVERYWHERE = 1 << 18 | 1 << 14
#: Exit codes: no mount is allowed here; the program did not end.
REFUSED, HANGS = 77, 78
#: Seconds for the program.
_LIMIT = 60
_ROOT = 1

#: What ``hold`` can name.
CALLS = {"lookup": _LOOKUP, "read": _READ, "write": _WRITE, "fsync": _FSYNC}

_libc = ctypes.CDLL(None, use_errno=True)


class HungMount:
    """The mounted file system, empty at first.

    Args:
        folder: Where to mount it; beside it lies the file through which processes hold calls and let them go.

    Raises:
        OSError: It is not allowed here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.control = folder.with_suffix(".held")
        self.control.write_text("")
        folder.mkdir()
        self._lock = threading.Lock()
        self._content: dict[int, bytearray] = {}
        self._names: dict[str, int] = {}
        self._last = _ROOT
        self._closed = False
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        data = f"fd={self._device},rootmode=40755,user_id=0,group_id=0"
        _require(_libc.unshare(_NEW_MOUNTS))
        _require(_libc.mount(b"none", b"/", None, ctypes.c_ulong(_PRIVATE_EVERYWHERE), None))
        _require(_libc.mount(b"hung", os.fsencode(folder), b"fuse", ctypes.c_ulong(0), data.encode()))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Lets all calls go and unmounts."""
        self.control.write_text("")
        self._closed = True
        _libc.umount2(os.fsencode(self.folder), _DETACH)
        # the connection ends with it, and with that every call that still waits
        os.close(self._device)

    def _serve(self) -> None:
        while not self._closed:
            try:
                request = os.read(self._device, 1 << 20)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return
            # one that is held must not hold up the others
            threading.Thread(target=self._handle, args=(request,), daemon=True).start()

    def _handle(self, request: bytes) -> None:
        length, code, unique, node = struct.unpack_from("<IIQQ", request)
        if code in (_FORGET, _BATCH_FORGET, _INTERRUPT):
            # an interrupt is not heeded, as by a server that is gone
            return
        while not self._closed and str(code) in self.control.read_text().split():
            time.sleep(0.02)
        with self._lock:
            try:
                answer, failure = self._answer(code, node, request[40:length]), 0
            except OSError as error:
                answer, failure = b"", error.errno or errno.EIO
        try:
            os.write(self._device, struct.pack("<IiQ", 16 + len(answer), -failure, unique) + answer)
        except OSError:
            # whoever asked was killed
            pass

    def _answer(self, code: int, node: int, body: bytes) -> bytes:
        if code == _INIT:
            return struct.pack("<IIIIHHIIHHI", 7, 31, 1 << 17, 0, 16, 12, 1 << 17, 1, 0, 0, 0) + bytes(28)
        if code == _LOOKUP:
            return self._entry(self._find(_name(body)))
        if code == _GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self._attributes(node)
        if code == _SETATTR:
            if struct.unpack_from("<I", body)[0] & _SIZE_IS_SET:
                self._resize(node, struct.unpack_from("<Q", body, 16)[0])
            return struct.pack("<QII", 0, 0, 0) + self._attributes(node)
        if code in (_OPEN, _OPENDIR):
            return struct.pack("<QII", 0, 0, 0)
        if code == _READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            return bytes(self._content[node][offset : offset + size])
        if code == _WRITE:
            _, offset, size = struct.unpack_from("<QQI", body)
            self._resize(node, max(len(self._content[node]), offset + size))
            self._content[node][offset : offset + size] = body[40 : 40 + size]
            return struct.pack("<II", size, 0)
        if code == _READDIR:
            return self._directory(*struct.unpack_from("<QQI", body)[1:])
        if code == _CREATE:
            made = self._make(_name(body[16:]))
            return self._entry(made) + struct.pack("<QII", 0, 0, 0)
        if code in (_RENAME, _RENAME2):
            old, new = (text.decode() for text in body[8 if code == _RENAME else 16 :].split(b"\0")[:2])
            if code == _RENAME2 and struct.unpack_from("<QI", body)[1] & 1 and new in self._names:
                raise OSError(errno.EEXIST, new)
            self._find(old)
            self._names[new] = self._names.pop(old)
            return b""
        if code == _UNLINK:
            self._find(_name(body))
            del self._names[_name(body)]
            return b""
        if code in (_RELEASE, _RELEASEDIR, _FSYNC, _FLUSH):
            return b""
        if code == _STATFS:
            return struct.pack("<QQQQQIIII", 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 4096, 255, 4096, 0) + bytes(24)
        raise OSError(errno.ENOSYS, "")

    def _find(self, name: str) -> int:
        if name not in self._names:
            raise OSError(errno.ENOENT, name)
        return self._names[name]

    def _make(self, name: str) -> int:
        if name not in self._names:
            self._last += 1
            self._names[name] = self._last
            self._content[self._last] = bytearray()
        return self._names[name]

    def _resize(self, node: int, size: int) -> None:
        content = self._content[node]
        del content[size:]
        content.extend(bytes(size - len(content)))

    def _entry(self, node: int) -> bytes:
        return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + self._attributes(node)

    def _attributes(self, node: int) -> bytes:
        mode, size = (stat.S_IFDIR | 0o755, 0) if node == _ROOT else (stat.S_IFREG | 0o644, len(self._content[node]))
        return struct.pack("<QQQQQQIIIIIIIIII", node, size, -(-size // 512), 1, 1, 1, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _directory(self, offset: int, size: int) -> bytes:
        found = b""
        for at, (name, node) in enumerate(list(self._names.items())[offset:], offset + 1):
            entry = struct.pack("<QQII", node, at, len(name.encode()), stat.S_IFREG >> 12) + name.encode()
            entry += bytes(-len(entry) % 8)
            if len(found) + len(entry) > size:
                break
            found += entry
        return found


def _name(body: bytes) -> str:
    return body.split(b"\0")[0].decode()


def _require(status: int) -> None:
    if status != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def main(folder: Path, command: list[str]) -> int:
    try:
        mount = HungMount(folder)
    except OSError as error:
        print(error)
        return REFUSED
    try:
        process = subprocess.Popen(command)
        try:
            return process.wait(_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            # the kernel lets no process go that it holds a call of
            mount.control.write_text("")
            process.wait()
            return HANGS
    finally:
        mount.close()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
