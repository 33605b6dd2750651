"""Loads hostile files under a limit of memory, and tells what came of each: ``python child.py FOLDER KIND NAME...``"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from pathlib import Path

import make
import numpy as np

import s3dlio


def status(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))


def load(path: Path, kind: str) -> object:
    return s3dlio.load_numpy_array(path) if kind == "npy" else s3dlio.load_tensors(path)


def main() -> None:
    folder, kind, names = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    table = json.loads(Path(__file__).with_name("attacks.json").read_text())[kind]
    # everything that is loaded or started once
    big = np.zeros(1 << 21)
    s3dlio.save_numpy_array(folder / "good.npy", big)
    s3dlio.save_tensors(folder / "good.safetensors", {"a": big, "b": big})
    for _ in range(3):
        load(folder / "good.npy", "npy")
        load(folder / "good.safetensors", "safetensors")
    try:
        s3dlio.load_numpy_array(folder / "no.npy")
    except FileNotFoundError:
        pass
    del big
    try:
        import ml_dtypes  # noqa: F401
    except ImportError:
        pass
    warnings.simplefilter("ignore")

    for name in names:
        path = folder / f"attack.{kind}"
        make.write(path, make.ALL[kind][name]())
        print(json.dumps({"begin": name}), flush=True)
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
        before = status("VmHWM")
        resource.setrlimit(resource.RLIMIT_AS, (status("VmSize") + (table[name].get("address_space_mib", 256) << 20), -1))
        begin = time.perf_counter()
        try:
            what = load(path, kind)
            found, text, kept = "loaded", repr(what)[:200], False
        except BaseException as error:
            found, text, kept = type(error).__name__, str(error), str(path) in str(error)
        seconds = time.perf_counter() - begin
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
        report = {"end": name, "found": found, "text": text, "names_the_file": kept, "seconds": seconds, "peak": status("VmHWM") - before}
        print(json.dumps(report), flush=True)
        path.unlink()
    # the process is whole
    load(folder / "good.npy", "npy")
    load(folder / "good.safetensors", "safetensors")
    print(json.dumps({"end": None}), flush=True)


if __name__ == "__main__":
    main()
