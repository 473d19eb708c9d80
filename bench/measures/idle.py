"""What it costs to have it running and do nothing: memory and CPU of every process."""

import argparse
import time
from pathlib import Path

import psutil

from bench.support.figures import Report
from bench.support.instance import Cpu, Instance, people

MEMORY_MB, CPU_PERCENT = 300.0, 1.0
SETTLE_SECONDS = 8.0
PEERS = "peers, measured the same way: 140 to 840 MB"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    report = Report("Idle")
    report.say(
        "Telegram by long polling, TELEGRAM_RATE_LIMITS=on; ten messages are answered first, so that all that is "
        f"loaded\nlazily is loaded. CPU over {given.seconds:g} s, in percent of one core.\n{PEERS}\n"
    )
    with Instance(masters=people(10), webhook=False, APPROVAL_POLICY="risky") as it:
        for chat in people(10):
            it.telegram.call("user_says", chat_id=chat, text=f"Question {chat}-1?")
            it.telegram.sent(chat)
        time.sleep(SETTLE_SECONDS)
        rest(report, it, given.seconds)
    return report.end()


def rest(report: Report, it: Instance, seconds: float) -> None:
    """Looks at every process before and after doing nothing."""
    names, before, total = it.names(), _cpu(it), it.cpu()
    time.sleep(seconds)
    used, after = it.cpu() - total, _cpu(it)
    report.say(f"  {'process':<28} {'pid':>8} {'PSS MB':>8} {'own MB':>8} {'CPU %':>7}")
    sizes = {pid: memory(pid) for pid in names}
    for pid, name in names.items():
        share = 100 * (after.get(pid, 0.0) - before.get(pid, 0.0)) / seconds
        report.say(f"  {name:<28} {pid:>8} {sizes[pid][0]:>8.1f} {sizes[pid][1]:>8.1f} {share:>7.2f}")
    report.say()
    report.at_most(
        "PSS of all processes but the database server", sum(pss for pss, _ in sizes.values()), MEMORY_MB, "MB"
    )
    report.at_most("CPU, the database server with it", _percent(used, seconds), CPU_PERCENT, "%")
    report.say(f"          of which the database server: {100 * used.database / seconds:.2f} %")
    if set(after) != set(names):
        report.must("the processes are the same ones after it", False, "one died or was replaced")


def _percent(used: Cpu, seconds: float) -> float:
    return 100 * (used.product + used.database) / seconds


def _cpu(it: Instance) -> dict[int, float]:
    """Seconds so far, by pid."""
    found = {}
    for process in it.processes():
        times = process.cpu_times()
        found[process.pid] = times.user + times.system
    return found


def memory(pid: int) -> tuple[float, float]:
    """(PSS, what it shares with nobody) of a process in MB (10^6 bytes); zero where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (OSError, psutil.Error):
        return 0.0, 0.0
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    own = kib["Private_Clean"] + kib["Private_Dirty"]
    return kib["Pss"] * 1024 / 1e6, own * 1024 / 1e6
