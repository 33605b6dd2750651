"""Kills processes that save, finalize, prune and delete checkpoints, and looks at what is there afterwards.

    python checkpoint_kills.py URI OPTIONS POINTS SEED

Each point forks the processes of one scene, kills some of them with SIGKILL at a random moment of their work, and checks that every
checkpoint reported complete is whole, bit for bit, that what was acknowledged is there, and that the newest is the newest. Prints how
many kills met a process in the middle of its work, and in which scenes; goes on until POINTS did.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import s3dlio

WORLD = 3
#: Seconds that a process may take to come to its work on a busy machine.
PATIENCE = 120


def content(step: int, rank: int, name: int) -> bytes:
    return b"%d %d %d|" % (step, rank, name) * (1 + (step * 7919 + rank * 31) % 20_000)


class Worker:
    """A forked process that tells what it did through a pipe, a line of JSON each."""

    def __init__(self, work: Callable[[Callable[[Any], None]], None]) -> None:
        self.read, write = os.pipe()
        gate, self._go = os.pipe()
        self.told: list[Any] = []
        self._rest = b""
        self.pid = os.fork()
        if self.pid == 0:
            status = 1

            def tell(what: Any) -> None:
                os.write(write, json.dumps(what).encode() + b"\n")
                if "ready" in what:
                    os.read(gate, 1)

            try:
                os.close(self.read)
                os.close(self._go)
                work(tell)
                status = 0
            except BaseException as error:
                os.write(write, json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode() + b"\n")
            finally:
                os._exit(status)
        os.close(write)
        os.close(gate)

    def go(self) -> None:
        """Lets it begin with its work."""
        os.close(self._go)

    def wait_for(self, what: str) -> None:
        """Until it has told that."""
        end = time.monotonic() + PATIENCE
        while not any(what in told for told in self.told):
            assert select.select([self.read], [], [], max(0, end - time.monotonic()))[0], f"no {what} in time"
            if not self._take():
                raise AssertionError(f"ended before {what}: {self.told}")

    def _take(self) -> bool:
        data = os.read(self.read, 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.told += [json.loads(line) for line in lines]
        return bool(data)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def end(self) -> bool:
        """Waits for its end; True when it was killed."""
        while self._take():
            pass
        os.close(self.read)
        _, status = os.waitpid(self.pid, 0)
        return os.WIFSIGNALED(status)


class Bench:
    """One checkpoint store, and what was acknowledged in it."""

    def __init__(self, uri: str, options: dict[str, Any], seed: int) -> None:
        self.uri, self.options, self.seed = uri, options, seed
        self.chance = random.Random(seed)
        self.store = self.open()
        self.step = 0
        #: Manifest keys that a save returned and nobody was told to delete.
        self.acknowledged: dict[str, int] = {}
        #: Those whose content was compared with what was saved.
        self.seen: set[str] = set()
        self.killed: Counter[str] = Counter()
        #: Seconds that the work of a scene takes.
        self.took: dict[str, float] = {}

    def open(self) -> s3dlio.CheckpointStore:
        return s3dlio.CheckpointStore(
            self.uri, ("flat", "round_robin", "binary")[self.seed % 3], None, (None, 1)[self.seed // 3 % 2], storage_options=self.options
        )

    # -- what processes do ---------------------------------------------------------------------------------------------

    def save(self, tell: Callable[[Any], None], count: int = 3) -> None:
        store = self.open()
        store.checkpoint_exists(0)
        tell({"ready": True})
        for step in range(self.step + 1, self.step + 1 + count):
            tell({"saved": store.save(step, 0, "test", content(step, 0, 1), 1), "step": step})
        tell({"done": True})

    def rank(self, tell: Callable[[Any], None], rank: int, inbox: int | None, outbox: int | None) -> None:
        """Ranks hand their shards to rank 0, through pipes, and that one finalizes."""
        store = self.open()
        store.checkpoint_exists(0)
        tell({"ready": True})
        step = self.step + 1
        writer = store.writer(WORLD, rank)
        shard = writer.save_distributed_shard(step, 0, "test", content(step, rank, 2))
        if outbox is not None:
            os.write(outbox, json.dumps(shard).encode() + b"\n")
        if inbox is not None:
            text = b""
            while text.count(b"\n") < WORLD - 1:
                more = os.read(inbox, 65536)
                if not more:
                    return
                text += more
            shards = [shard, *(json.loads(line) for line in text.splitlines())]
            tell({"saved": writer.finalize_distributed_checkpoint(step, 0, "test", shards, 2), "step": step})
        tell({"done": True})

    def finalize(self, tell: Callable[[Any], None], shards: list[dict[str, Any]]) -> None:
        store = self.open()
        store.checkpoint_exists(0)
        tell({"ready": True})
        step = shards[0]["step"]
        tell({"saved": store.writer(WORLD, 0).finalize_distributed_checkpoint(step, 0, "test", shards, 3), "step": step})
        tell({"done": True})

    def prune(self, tell: Callable[[Any], None], grace: int) -> None:
        store = self.open()
        store.checkpoint_exists(0)
        tell({"ready": True})
        store.prune(2, grace=grace)
        tell({"done": True})

    def delete(self, tell: Callable[[Any], None], key: str) -> None:
        store = self.open()
        store.checkpoint_exists(0)
        tell({"ready": True})
        store.delete(key)
        tell({"done": True})

    # -- scenes --------------------------------------------------------------------------------------------------------

    def play(self, scene: str, kill: bool) -> None:
        """One scene, with its processes killed at a random moment of their work."""
        may_go: set[str] = set()
        pipes: tuple[int, int] | None = None
        if scene == "save":
            workers = [Worker(self.save)]
        elif scene == "ranks":
            pipes = os.pipe()
            inbox, outbox = pipes

            def leader(tell: Callable[[Any], None]) -> None:
                os.close(outbox)
                self.rank(tell, 0, inbox, None)

            workers = [Worker(leader)]
            workers += [Worker(lambda tell, rank=rank: self.rank(tell, rank, None, outbox)) for rank in range(1, WORLD)]
            os.close(inbox)
            os.close(outbox)
        elif scene == "finalize":
            step = self.step + 1
            shards = [
                self.store.writer(WORLD, rank).save_distributed_shard(step, 0, "test", content(step, rank, 3)) for rank in range(WORLD)
            ]
            workers = [Worker(lambda tell: self.finalize(tell, shards))]
        elif scene == "prune":
            for _ in range(3):
                self.step += 1
                self.acknowledged[self.store.save(self.step, 0, "test", content(self.step, 0, 1), 1)] = self.step
            # and what a crash left
            self.store.writer(WORLD, 1).save_distributed_shard(self.step + 1, 0, "test", b"orphan")
            may_go = set(self.newest_first()[2:])
            workers = [Worker(lambda tell: self.prune(tell, 0))]
        elif scene == "prune and save":
            workers = [Worker(lambda tell: self.prune(tell, 3600)), Worker(self.save)]
        else:
            key = self.newest_first()[-1]
            may_go = {key}
            workers = [Worker(lambda tell: self.delete(tell, key))]
        for worker in workers:
            worker.wait_for("ready")
        begin = time.monotonic()
        for worker in workers:
            worker.go()
        if kill:
            # all, one, all but one: the coordinator among them or not
            doomed = self.chance.sample(workers, self.chance.choice([1, len(workers), max(1, len(workers) - 1)]))
            time.sleep(self.chance.random() * self.took[scene])
            for worker in doomed:
                worker.kill()
        else:
            for worker in workers:
                worker.wait_for("done")
            # the first time is no measure: libraries and connections are new
            self.took[scene] = min(time.monotonic() - begin, self.took.get(scene, PATIENCE))
        ended = [worker.end() for worker in workers]
        at_work = [killed and not any("done" in told for told in worker.told) for killed, worker in zip(ended, workers, strict=True)]
        self.killed[scene] += any(at_work)
        told = [line for worker in workers for line in worker.told]
        failures = [line["failed"] for line in told if "failed" in line]
        assert not failures, failures
        for line in told:
            if "saved" in line:
                self.acknowledged[line["saved"]] = line["step"]
        if scene == "prune and save":
            # Whenever the prune looked: it left the two that were the newest then. One of them may have been saved by a process that
            # died before it could say so.
            every = self.acknowledged | {info.manifest_key: info.step for info in self.store.list_checkpoints()}
            may_go = set(sorted(every, key=lambda key: -every[key])[2:])
        self.check(may_go)

    def newest_first(self) -> list[str]:
        return sorted(self.acknowledged, key=lambda key: -self.acknowledged[key])

    def check(self, may_go: set[str], again: bool = False) -> None:
        """What is reported is whole; what was acknowledged is there; the newest is the newest."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", s3dlio.CheckpointWarning)
            listed = {info.manifest_key: info.step for info in self.store.list_checkpoints()}
            reader = self.store.reader()
            for key in listed:
                manifest = reader.load_manifest(key)
                assert manifest is not None
                report = reader.validate_checkpoint_integrity(manifest)
                assert report and not report.unchecked, f"{key} is reported complete and is not: {report.problems}"
                # bytes that are as they were need not be looked at twice
                for rank, data in reader.read_all_shards_with_validation(manifest) if key not in self.seen else []:
                    assert data == content(manifest["global_step"], rank, manifest["user_meta"]), f"{key} holds other bytes in rank {rank}"
            self.seen |= set(listed)
            lost = set(self.acknowledged) - set(listed) - may_go
            assert not lost, f"acknowledged and lost: {lost}"
            found = reader.load_latest_manifest()
            if found is not None and found["manifest_key"] not in listed and not again:
                # a server still served what a killed process had sent: all is looked at once more
                self.check(may_go, again=True)
                return
            assert (found is None) == (not listed)
            if found is not None:
                assert found["global_step"] == max(listed.values()), f"{found['manifest_key']} is said to be the newest of {listed}"
                self.step = max(self.step, found["global_step"])
        self.acknowledged = listed

    def tidy(self) -> None:
        """A prune with nobody else about leaves no litter."""
        self.store.prune(3, grace=0)
        self.store.prune(3, grace=0)
        self.acknowledged = {info.manifest_key: info.step for info in self.store.list_checkpoints()}
        manifests = [self.store.reader().load_manifest(key) for key in self.acknowledged]
        needed = {shard["key"] for manifest in manifests if manifest for shard in manifest["shards"]}
        there = {key for key in self.store.objects.list(recursive=True) if key.startswith("shards/")}
        assert there == needed, f"litter: {there - needed}, missing: {needed - there}"
        assert not self.store.objects.list("saves", recursive=True)

    def report(self, kills: int) -> None:
        """A line of JSON; the last is the result."""
        print(json.dumps({"kills": kills, "at_work": sum(self.killed.values()), **self.killed}), flush=True)


SCENES = ["save", "ranks", "finalize", "prune", "prune and save", "delete"]


def main() -> None:
    uri, options, points, seed = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    bench = Bench(uri, options, seed)
    for scene in SCENES * 2:
        bench.play("save", kill=False)
        bench.play(scene, kill=False)
    point = 0
    # a kill that comes when all is done is no point
    while sum(bench.killed.values()) < points and point < 6 * points:
        point += 1
        scene = SCENES[point % len(SCENES)]
        while len(bench.acknowledged) < 3:
            bench.play("save", kill=False)
        try:
            bench.play(scene, kill=True)
        except BaseException:
            print(f"point {point} of seed {seed}: {scene}", file=sys.stderr)
            raise
        if point % 12 == 11:
            bench.tidy()
        if point % 24 == 0:
            bench.report(point)
    bench.tidy()
    bench.report(point)


if __name__ == "__main__":
    main()
