"""Addresses (`scheme://…`): telling them from paths, and showing them without the secrets that they may hold."""

import os
import re
from urllib.parse import unquote_to_bytes, urlsplit

from resnext.errors import FailureCode, InputError

# One scheme, or several that are chained as fsspec chains them: zip://a.jpg::s3://bucket/photos.zip
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)(?:::[a-zA-Z][a-zA-Z0-9+.-]+)*://")
_USER = re.compile(r"(\w://)([^/?#]*)@", re.ASCII)


def scheme_of(text: str) -> str | None:
    """The (first) scheme of an address in lower case; None for what is a path."""
    match = _SCHEME.match(text)
    return match[1].lower() if match else None


def shown(address: str) -> str:
    """The address as rows and messages may show it: without passwords and tokens before an @."""
    return _USER.sub(_without_secret, address)


def _without_secret(match: re.Match[str]) -> str:
    user, colon, _ = match[2].partition(":")
    # sftp://alice@host: a name is part of where things lie. https://TOKEN@host: a name alone may be the secret.
    web = match.string[: match.start(2)].lower().endswith(("http://", "https://"))
    if not colon and not web:
        return match[0]
    return f"{match[1]}{'***' if web else f'{user}:***'}@"


def local_path(address: str) -> str:
    """The path of a file:// address.

    Raises:
        InputError: it lies on another machine.
    """
    parts = urlsplit(address)
    if parts.netloc.lower() not in ("", "localhost"):
        raise InputError(FailureCode.BAD_ENTRY, "a file:// address of another machine; a local one has three slashes")
    return os.fsdecode(unquote_to_bytes(address.split("://", 1)[1][len(parts.netloc) :]))
