"""`python -m dlm_core.serve` in a process of its own: a cluster on this machine, and the processes of its replicas."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from dlm_core.engine.remote import RemoteEngine

ROOT = Path(__file__).parents[1]


class Cluster:
    """Starts when made, on `port`, with the command's `options`, one thread a replica and nothing asked of the hub."""

    def __init__(self, port: int, *options: str, **environment: str) -> None:
        quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dlm_core.serve", "--port", str(port), *options], cwd=ROOT, encoding="utf-8",
            env=os.environ | quiet | environment, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        told = self.process.stdout.readline()
        assert told.startswith("serving "), f"the cluster ended with {self.process.wait()}"
        self.engine = RemoteEngine(told.split("UNMASK_ENGINE=")[1].strip())

    def replicas(self) -> list[int]:
        """The processes of this cluster's replicas."""
        parents, found = {}, []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                name, status = (
                    (folder / "cmdline").read_text(encoding="utf-8"),
                    (folder / "stat").read_text(encoding="utf-8"),
                )
            except OSError:  # it ended in the meantime
                continue
            parents[int(folder.name)] = int(status.rpartition(")")[2].split()[1])
            if name.startswith("ray::ServeReplica:unmask:Replica"):
                found.append(int(folder.name))

        def ours(pid: int) -> bool:
            return pid == self.process.pid or (pid in parents and ours(parents[pid]))

        return sorted(filter(ours, found))

    def close(self) -> None:
        """End it and everything it started; it takes its own processes along, and what is left is in its session."""
        self.engine.close()
        self.process.terminate()
        try:
            self.process.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.stdout.close()
