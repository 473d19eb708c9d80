"""A scripted model as a process of its own, until SIGTERM or Ctrl-C."""

import os
import signal
import threading
from pathlib import Path

from llm.scripted.bench import bench_script
from llm.scripted.demo import demo_script
from llm.scripted.replies import Script
from llm.scripted.server import ScriptedModel

SCRIPTS: dict[str, Script] = {"demo": demo_script, "bench": bench_script}


def serve(*, script: str, port: int, first_token_delay: float, url_file: Path | None) -> None:
    """Serves `SCRIPTS[script]` on 127.0.0.1:`port` (0: any), prints its address, and writes it to `url_file`, where
    routing looks for the demo model. Returns after SIGTERM or SIGINT, and then takes the file away."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with ScriptedModel(SCRIPTS[script], port=port, models=("",), keep=False) as model:
        model.delay(first_token_delay)
        if url_file is not None:
            write_url(url_file, model.url)
        print(f"{script} model: {model.url}", flush=True)
        ended.wait()
    if url_file is not None and url_file.exists() and url_file.read_text() == model.url:
        url_file.unlink()


def write_url(path: Path, url: str) -> None:
    """In one step, so that nobody ever reads half an address."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(url)
    os.replace(fresh, path)
