"""The processor time of running processes, with their children."""

from collections.abc import Mapping

import psutil


def seconds_of(pids: Mapping[str, int]) -> dict[str, float]:
    """Processor seconds of each process and its children so far, also of those that have ended."""
    return {name: sum(_seconds(process) for process in _family(pid)) for name, pid in pids.items()}


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0  # its parent has its time now
    return float(times.user + times.system + times.children_user + times.children_system)
