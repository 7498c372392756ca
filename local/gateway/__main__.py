"""Runs the gateway from a file of JSON until SIGTERM; says where it listens in a file, when it does.

The file may come later than we. It holds: template, parameters, variables (what `--env-vars` would give), aws (for
boto3, ours and the functions'), functions (variables of theirs that the template does not declare), s3_url, python (the
functions'), logs (folder), port (0: any), ready (file to write).
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from local.gateway import api, machines
from local.gateway.pool import Pool
from local.gateway.queues import Queues
from local.gateway.schedules import Clock
from local.gateway.template import read
from local.gateway.triggers import Triggers


def main(config_file: Path) -> int:
    """Serve until it is told to stop; return the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("local").setLevel(logging.INFO)
    while not config_file.exists():  # the parts that it tells of start while we were loaded
        time.sleep(0.02)
    config = json.loads(config_file.read_text())
    os.environ.update(config["aws"])
    project = read(Path(config["template"]), config["parameters"], config["variables"])
    pool = Pool(Path(config["python"]), {**config["aws"], **config["functions"]}, Path(config["logs"]))
    server = api.serve(project, pool, config["port"])
    # Before the triggers, whose functions may start one at once.
    machines.make(project.machines, project.rules, project.functions, config["s3_url"], server.effective_port)
    queues = Queues(project, pool, config["s3_url"])
    triggers = Triggers(project, pool, config["s3_url"], queues)
    clock = Clock(project.schedules, project.functions, pool)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        triggers.close()
        queues.close()
        clock.close()
        pool.close()
        os._exit(0)  # requests that wait for a function would hold us; their functions are gone

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=server.run, daemon=True).start()
    ready = Path(config["ready"])
    beside = ready.with_suffix(".new")
    beside.write_text(json.dumps({"port": server.effective_port}))
    beside.replace(ready)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
