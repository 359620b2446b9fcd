"""Patterns as people type them: with * and ?, or a part of a name; upper and lower case are the same."""

from fnmatch import fnmatchcase


def with_wildcards(pattern: str) -> str:
    """The pattern in lower case; one without wildcards is looked for anywhere in a name."""
    pattern = pattern.strip().casefold()
    return pattern if any(wildcard in pattern for wildcard in "*?[") else f"*{pattern}*"


def matches(wildcards: str, *names: str) -> bool:
    """Whether a pattern of `with_wildcards` finds one of the names."""
    return any(fnmatchcase(name.casefold(), wildcards) for name in names)
