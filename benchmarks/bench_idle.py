"""What a node and a worker use when there is nothing to do."""

import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks import processes

SETTLE_S: Final = 3.0
OBSERVED_S: Final = 20.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = processes.environment(Path(folder))
        with processes.node(environment) as (node, _), processes.worker(environment) as worker:
            time.sleep(SETTLE_S)
            before = [processes.cpu_s(pid) for pid in (node, worker)]
            time.sleep(OBSERVED_S)
            used = [processes.cpu_s(pid) - cpu for pid, cpu in zip((node, worker), before, strict=True)]
    of_node, of_worker = (100 * cpu / OBSERVED_S for cpu in used)
    print(f"Idle for {OBSERVED_S:g} s on SQLite, CPU of one core")
    print(f"  node {of_node:.2f} % · worker {of_worker:.2f} % · together {of_node + of_worker:.2f} %")


if __name__ == "__main__":
    main()
