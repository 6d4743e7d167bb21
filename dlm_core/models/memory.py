"""How much memory there is, read before a model is loaded: where it runs out, a system ends the process at once."""

from pathlib import Path

_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def available() -> int | None:
    """Bytes that this process may still take, the container's limit included; None where the system does not say."""
    limits = [size for size in (_machine(), _container()) if size is not None]
    return min(limits, default=None)


def _machine() -> int | None:
    try:
        for line in _MEMINFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _container() -> int | None:
    try:
        most = (_CGROUP / "memory.max").read_text(encoding="utf-8").strip()
        taken = int((_CGROUP / "memory.current").read_text(encoding="utf-8"))
        stat = dict(line.split() for line in (_CGROUP / "memory.stat").read_text(encoding="utf-8").splitlines())
        return None if most == "max" else int(most) - taken + int(stat.get("inactive_file", 0))  # files can go
    except (OSError, ValueError):
        return None
