"""By how many bytes a piece of work raises the peak of resident memory; None where the system does not say."""
import gc
import os


def field(name):
    with open("/proc/self/status") as status:
        return 1024 * int(next(line.split()[1] for line in status if line.startswith(name)))


def peak_of(work):
    if not os.path.exists("/proc/self/clear_refs"):
        return None
    gc.collect()
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")  # resets VmHWM, see proc(5)
    before = field("VmRSS")
    work()
    return field("VmHWM") - before
