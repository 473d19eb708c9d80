import os
import signal

from common import processes
from common.processes import StopFlag


def test_an_owner_name_says_whether_its_process_lives():
    mine = processes.owner()
    host, pid, started = mine.split(":")
    assert not processes.is_dead(mine)
    assert processes.is_dead(f"{host}:{pid}:1.00")
    assert processes.is_dead(f"{host}:{2**22 + 7}:{started}")


def test_nothing_is_known_about_other_hosts_and_strange_names():
    assert not processes.is_dead("elsewhere:1:1.00")
    assert not processes.is_dead("")
    assert not processes.is_dead(f"{processes.owner().split(':')[0]}:what:ever")


def test_a_stop_flag_ends_a_wait_and_stays_set():
    flag = StopFlag()
    assert not flag.wait(0)
    flag.set()
    assert flag.wait(60)
    assert flag.wait(60)
    assert flag.is_set()


def test_a_stop_flag_hears_sigterm():
    flag = StopFlag()
    before = {number: signal.getsignal(number) for number in processes.STOP_SIGNALS}
    try:
        flag.listen()
        os.kill(os.getpid(), signal.SIGTERM)
        assert flag.wait(60)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
