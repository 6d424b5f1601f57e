"""What a computation ran on, in words."""

import os
import platform
from pathlib import Path


def describe_hardware() -> str:
    """Processor, cores that this process may use, memory, and graphics processors if TensorFlow sees any."""
    from tfrec._tf import tf

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parts = [f"{cores} × {_processor()}" if cores > 1 else _processor()]
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
        n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        parts.append(f"{n_bytes / 2**30:.0f} GiB")
    for device in tf.config.list_physical_devices("GPU"):
        parts.append(tf.config.experimental.get_device_details(device).get("device_name", "GPU"))
    return f"{', '.join(parts)}; TensorFlow {tf.__version__}"


def _processor() -> str:
    """The processor's name, which Python's own `platform.processor` leaves out on Linux."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        names = [line.partition(":")[2].strip() for line in path.read_text().splitlines() if "model name" in line]
        if names and names[0] not in ("", "unknown"):
            return names[0]
    return platform.processor() or platform.machine()
