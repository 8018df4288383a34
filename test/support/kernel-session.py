"""Runs the project's kernel for a test.

Commands come as JSON lines on stdin, {"execute": CODE} or {"interrupt": true}; what the kernel publishes goes as JSON
lines to stdout. Ends with its stdin.
"""

import json
import os
import sys
import threading

from jupyter_client.manager import start_new_kernel


def listen(client):
    while True:
        message = client.get_iopub_msg()
        line = {
            "type": message["msg_type"],
            "of": message["parent_header"].get("msg_type"),
            "content": message["content"],
        }
        print(json.dumps(line), flush=True)


def main():
    manager, client = start_new_kernel(kernel_name="cer", startup_timeout=180)
    threading.Thread(target=listen, args=(client,), daemon=True).start()
    print(json.dumps({"type": "ready"}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "execute" in command:
            client.execute(command["execute"], stop_on_error=False)
        else:
            manager.interrupt_kernel()
    manager.shutdown_kernel(now=True)
    os._exit(0)  # the listening thread holds its socket for ever


if __name__ == "__main__":
    main()
