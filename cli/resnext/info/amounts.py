"""Sizes, ages and counts in words."""


def size_text(size_bytes: float) -> str:
    """Bytes in the decimal units that hubs and disks use: 18897000 -> "19 MB"."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while size_bytes >= 999.5 and len(units) > 1:
        size_bytes /= 1000
        units.pop(0)
    unit = units[0]
    return f"{size_bytes:.1f} {unit}" if unit in ("GB", "TB") and size_bytes < 99.95 else f"{size_bytes:.0f} {unit}"


def age_text(seconds: float) -> str:
    """A time span in its largest unit: 7300 -> "2 hours"."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def millions_text(count: float) -> str:
    """A count of parameters: 25028904 -> "25.0 M"."""
    return f"{count / 1e6:.1f} M"
