"""What this machine's processor is and can do, as far as the system tells."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

# As Linux calls them (x86 "flags", arm64 "Features").
_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}
_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8", "i8mm", "asimddp"}
_AMX = {"amx_bf16", "amx_int8"}


class Processor(NamedTuple):
    """`name` is the maker's; `features` are the names of the instruction sets, () where the system lists none."""

    name: str
    features: tuple[str, ...]

    @property
    def has_bf16(self) -> bool:
        """Whether it multiplies bfloat16."""
        return not _BF16.isdisjoint(self.features)

    @property
    def has_int8(self) -> bool:
        """Whether it adds up products of int8 in one instruction (VNNI, AMX, and what arm64 has of the kind)."""
        return not _INT8.isdisjoint(self.features)

    @property
    def has_amx(self) -> bool:
        """Whether it multiplies tiles."""
        return not _AMX.isdisjoint(self.features)


@cache
def this_processor() -> Processor:
    """Read the first processor's name and features from Linux; elsewhere the name that Python knows."""
    try:
        # The system writes a block for each processor as it is read: of hundreds, one is enough.
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            beginning = file.read(16384)
    except OSError:
        beginning = ""
    facts: dict[str, str] = {}
    for line in beginning.splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip().casefold(), value.strip())
    features = (facts.get("flags") or facts.get("features") or "").split()
    return Processor(facts.get("model name") or _name_elsewhere(), tuple(features))


def _name_elsewhere() -> str:
    import platform  # 2 ms, which a start on Linux does without

    return platform.processor() or platform.machine()


INT8 = "int8"


def int8_graph() -> str:
    """What an int8 graph for this processor is kept as.

    One without int8 products adds two of them in 16 bits, where the sum may be cut off: its weights have 7 bits.
    """
    return INT8 if this_processor().has_int8 else f"{INT8}-7bit"
