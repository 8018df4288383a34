"""Executes one notebook with the project's kernel and reports each cell as a JSON line on stdout.

Usage: execute.py SOURCE SECONDS_PER_CELL. The last line, after the last or the first failing cell, holds the executed
notebook. Exit status 0, or 1 when a cell failed. Ends when its stdin is closed.
"""

import json
import os
import sys
import threading
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError


def say(event, **content):
    print(json.dumps({"event": event, **content}), flush=True)


def end_with_parent():
    """The caller holds our stdin open; when it closes, the caller is gone and nobody wants the result."""
    sys.stdin.buffer.read()
    os._exit(1)  # the kernel sees this and ends too


def main(source, seconds_per_cell):
    notebook = nbformat.read(source, as_version=4)
    code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    number = {index: k + 1 for k, index in enumerate(code)}
    running = {"cell": 0}
    started = time.monotonic()

    def on_start(cell, cell_index):
        running["cell"] = number.get(cell_index, 0)
        if running["cell"]:
            say("cell", cell=running["cell"], of=len(code), seconds=time.monotonic() - started)

    client = NotebookClient(
        notebook,
        timeout=seconds_per_cell,
        kernel_name="cer",
        startup_timeout=180,
        record_timing=False,
        on_cell_start=on_start,
    )
    failure = None
    try:
        client.execute()
    except CellExecutionError as error:
        failure = {"name": error.ename, "text": error.evalue}
    except CellTimeoutError:
        failure = {"name": "Timeout", "text": f"the cell took longer than {seconds_per_cell} s"}
    except DeadKernelError:
        failure = {"name": "DeadKernel", "text": "the kernel ended while the cell ran (out of memory, or a crash)"}
    end = {"of": len(code), "seconds": time.monotonic() - started, "notebook": nbformat.writes(notebook)}
    if failure:
        say("failed", cell=running["cell"], **failure, **end)
        return 1
    say("done", **end)
    return 0


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
