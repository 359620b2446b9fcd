"""Names of files that other tools stumble over: 80 of them, as the bytes that the file system is given."""

import os

_CONTROLS = [
    *(b"line\nbreak", b"\rstart", b"tab\tinside", b"\x07bell", b"\x08\x08back", b"\x0b\x0c", b"\x7fdelete"),
    *(b"\x01\x02", b"\x1b[31mred", b"\x1b[2Jclear", b"\x1b[999;999Hfar", b"\x1b]0;title\x07"),
    *(b"\x1b]8;;http:x\x1b\\link", b"\x1b]52;c;cHduZWQ=\x07", b"\x1bP+q544e\x1b\\", b"\x1b(0lqk", b"\x1bc"),
    *(b"\x1b[?1049h", b"\x1b[6n", b"\x1b7\x1b8"),
    *(text.encode() for text in ("\x9b31mc1", "\x9d0;t\x9c", "\x85next", "\u2028line", "\u2029par")),
]
_DIRECTIONS = [f"a{mark}gnp".encode() for mark in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200e\u200f\u061c"]
_INVISIBLE = [f"in{mark}visible".encode() for mark in "\u200b\u2060\ufeff\u00ad\u180e\ufff9\U000e0041"]
_NO_UTF8 = [
    *(b"caf\xe9", b"\xff\xfe", b"\x9b1m", b"\xc3(", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"),
    b"half \xe2\x82",
]
_MARKUP = [
    *(b"[red]x", b"[/]", b"[/red]", b"[link=http:x]", b":smile:", b"[[x]]", b"\\[red]", b"{file}", b"%s%n"),
]
_SHELLS = [
    *(b"-rf", b"--output=x", b"-", b"=cmd()", b"+1", b"@SUM", b"-1+1", b"q\"uo'te", b"a,b;c", b"`x`", b"$(reboot)"),
    *(b"*", b"a?b[c]", b"~", b"#"),
]
_LONG_AND_PLAIN = [
    *(b"n" * 251, "\u6f22".encode() * 83, "\U0001f408\u200d\u2b1b cat".encode(), "e\u0301".encode()),
    *(b" blank ", b"a..."),
]

# Each ends as a picture's name does, so that a folder is searched for it. "[/]" is a file in a folder called "[".
HOSTILE_NAMES = [
    stem + b".png"
    for stems in (_CONTROLS, _DIRECTIONS, _INVISIBLE, _NO_UTF8, _MARKUP, _SHELLS, _LONG_AND_PLAIN)
    for stem in stems
]


def fill(folder: bytes, content: bytes) -> list[bytes]:
    """Write `content` under each name that this file system takes; gives their paths."""
    paths = []
    for name in HOSTILE_NAMES:
        path = os.path.join(folder, name)  # noqa: PTH118 - names are bytes here
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
            with open(path, "wb") as file:  # noqa: PTH123
                file.write(content)
        except OSError:  # macOS takes no bytes that are not UTF-8
            continue
        paths.append(path)
    return paths


def paths_in(folder: bytes) -> list[bytes]:
    """All files below a folder, as the file system has them."""
    return sorted(os.path.join(each, name) for each, _, names in os.walk(folder) for name in names)  # noqa: PTH118
