"""Runs a command on a terminal of its own: python3 terminal.py '[{"wait": TEXT, "send": TEXT | "hangup"}]' COMMAND...

Each step waits for a text in the output and then types (\\u0003 is Ctrl-C) or closes the terminal.
Prints {"output", "status"} as JSON; the status is negative for a process that died of a signal.
"""
import json
import os
import pty
import sys

steps = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
output = b""
seen = 0
while terminal is not None:
    try:
        more = os.read(terminal, 65536)
    except OSError:  # the other side is closed
        break
    if not more:
        break
    output += more
    while steps and (at := output.find(steps[0]["wait"].encode(), seen)) >= 0:
        seen = at + 1
        send = steps.pop(0)["send"]
        if send == "hangup":
            os.close(terminal)
            terminal = None
            break
        os.write(terminal, send.encode())
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(json.dumps({"output": output.decode(errors="replace"), "status": status}))
