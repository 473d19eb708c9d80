"""Several processes write while the file is set aside again and again: every line is there once, and whole."""

import gzip
import logging
import multiprocessing
import os
import time

from agent_site import log_files, logs

WRITERS, LINES = 4, 1500


def write(number, path, rotations):
    os.environ[logs.FILE_VARIABLE] = str(path)
    logs.follow(path)  # as one whose output was led there when it was started
    handler = logs.FollowingHandler()
    for line in range(LINES):
        while rotations.value < line // 300:  # so that all write before and after some
            os.sched_yield()
        handler.emit(logging.LogRecord("test", logging.INFO, "", 0, f"{number} {line} {'x' * 1000}\ny", (), None))
        if line % 50 == 0:
            os.write(1, f"raw {number} {line}\n".encode())  # what does not go through logging follows all the same


def read(path):
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_no_line_is_lost_or_mangled(tmp_path):
    path = tmp_path / "agent.log"
    path.touch()
    fork = multiprocessing.get_context("fork")
    rotations = fork.Value("i", 0)
    writers = [fork.Process(target=write, args=(number, path, rotations)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        rotations.value += log_files.rotate(path, writers=[os.getpid()], bytes_=50_000, kept=1000)
    log_files.rotate(path, bytes_=0, kept=1000)

    files = sorted(tmp_path.iterdir())
    assert files
    assert {file.suffix for file in files} == {".gz"}
    lines = b"".join(read(file) for file in files).decode().splitlines()
    expected = [f"{number} {line} {'x' * 1000}" for number in range(WRITERS) for line in range(LINES)]
    assert sorted(line for line in lines if line.endswith("x")) == sorted(expected)
    assert lines.count("y") == WRITERS * LINES
    assert sum(line.startswith("raw ") for line in lines) == WRITERS * LINES / 50
    assert len(lines) == WRITERS * LINES * 2 + WRITERS * LINES / 50


def test_a_file_that_somebody_has_open_waits(tmp_path):
    path = tmp_path / "agent-1.log"
    path.write_text("a line")
    log_files.tidy([path], busy={path.stat().st_ino}, gone=[], kept=5)
    log_files.tidy([path], busy=None, gone=[], kept=5)
    assert path.exists()
    an_hour_ago = time.time() - log_files.HELD_SECONDS - 1
    os.utime(path, (an_hour_ago, an_hour_ago))
    log_files.tidy([path], busy={path.stat().st_ino}, gone=[], kept=5)
    assert read(tmp_path / "agent-1.log.gz") == b"a line"
    assert not path.exists()


def test_the_oldest_are_deleted(tmp_path):
    log = tmp_path / "agent.log"
    for number in range(5):
        log.write_text(str(number))
        assert log_files.rotate(log, bytes_=0, kept=2)
    assert [read(file) for file in sorted(tmp_path.iterdir())] == [b"3", b"4"]


def test_one_that_is_small_or_missing_is_left_alone(tmp_path):
    log = tmp_path / "agent.log"
    assert not log_files.rotate(log)
    log.write_text("a line")
    assert not log_files.rotate(log)
    assert log.read_text() == "a line"


def test_of_the_servers_files_the_newest_is_left_alone(tmp_path):
    log_files.tidy_server(tmp_path)
    for number in range(4):
        (tmp_path / f"postgresql-{number}.log").write_text(str(number))
    log_files.tidy_server(tmp_path, kept=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("postgresql-1.log.gz", "postgresql-2.log.gz", "postgresql-3.log")
    ]


def test_without_a_file_of_ours_the_log_goes_to_standard_error(monkeypatch, capsys):
    monkeypatch.delenv(logs.FILE_VARIABLE, raising=False)
    logs.FollowingHandler().emit(logging.LogRecord("test", logging.INFO, "", 0, "a line", (), None))
    assert capsys.readouterr().err == "a line\n"
