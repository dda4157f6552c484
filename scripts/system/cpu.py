"""The CPU's name. One by Arm's design has none: it says in numbers who made it and which part it is.

The numbers are public: for makers and most parts arch/arm64/include/asm/cputype.h of Linux, for all the table of lscpu
(util-linux, sys-utils/lscpu-arm.c). Of parts, those that servers, small computers and laptops have are here.
"""

import platform
import re
import subprocess
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

MAKERS = {
    **{0x41: "ARM", 0x42: "Broadcom", 0x43: "Cavium", 0x46: "Fujitsu", 0x48: "HiSilicon", 0x4E: "NVIDIA", 0x50: "APM"},
    **{0x51: "Qualcomm", 0x53: "Samsung", 0x56: "Marvell", 0x61: "Apple", 0x6D: "Microsoft", 0x70: "Phytium"},
    **{0xC0: "Ampere"},
}
PARTS = {
    0x41: {
        **{0xD03: "Cortex-A53", 0xD04: "Cortex-A35", 0xD05: "Cortex-A55", 0xD07: "Cortex-A57", 0xD08: "Cortex-A72"},
        **{0xD09: "Cortex-A73", 0xD0A: "Cortex-A75", 0xD0B: "Cortex-A76", 0xD0D: "Cortex-A77", 0xD0E: "Cortex-A76AE"},
        **{0xD41: "Cortex-A78", 0xD42: "Cortex-A78AE", 0xD46: "Cortex-A510", 0xD47: "Cortex-A710"},
        **{0xD4B: "Cortex-A78C", 0xD4D: "Cortex-A715", 0xD80: "Cortex-A520", 0xD81: "Cortex-A720"},
        **{0xD87: "Cortex-A725", 0xD44: "Cortex-X1", 0xD48: "Cortex-X2", 0xD4E: "Cortex-X3", 0xD82: "Cortex-X4"},
        **{0xD85: "Cortex-X925", 0xD0C: "Neoverse-N1", 0xD49: "Neoverse-N2", 0xD8E: "Neoverse-N3"},
        **{0xD40: "Neoverse-V1", 0xD4F: "Neoverse-V2", 0xD84: "Neoverse-V3", 0xD4A: "Neoverse-E1"},
    },
    0x43: {0x0A1: "ThunderX", 0x0AF: "ThunderX2"},
    0x46: {0x001: "A64FX"},
    0x48: {0xD01: "Kunpeng-920"},
    0x4E: {0x004: "Carmel"},
    0x6D: {0xD49: "Azure-Cobalt-100"},
    0xC0: {0xAC3: "Ampere-1", 0xAC4: "Ampere-1a"},
}


@lru_cache
def model() -> str:
    """Return the name of this machine's CPU."""
    with suppress(OSError):
        if found := model_in(Path("/proc/cpuinfo").read_text()):
            return found
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.SubprocessError):
            command = ("sysctl", "-n", "machdep.cpu.brand_string")
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def model_in(cpuinfo: str) -> str | None:
    """Return the name that /proc/cpuinfo gives a CPU; None where it gives neither a name nor numbers.

    A CPU with cores of several kinds has the names of all, in the order of the cores.
    """
    if named := re.search(r"^model name\s*:\s*(.+)", cpuinfo, re.MULTILINE):
        return named[1].strip()
    numbers = r"^CPU implementer\s*:\s*(0x[0-9a-f]+)$.*?^CPU part\s*:\s*(0x[0-9a-f]+)$"
    kinds = dict.fromkeys(re.findall(numbers, cpuinfo, re.MULTILINE | re.DOTALL))
    return " ".join(dict.fromkeys(word for kind in kinds for word in _of(*kind))) or None


def _of(maker: str, part: str) -> tuple[str, str]:
    number = int(maker, 16)
    return MAKERS.get(number, maker), PARTS.get(number, {}).get(int(part, 16), part)
