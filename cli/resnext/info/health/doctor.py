"""`--check`: is this installation sound, and how fast? Every check says what it found and, if it is bad, what to do."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from resnext.console.terminal import Notices
from resnext.errors import ModelError, ResnextError
from resnext.info.health import machine, packages
from resnext.info.health.privacy import private_names, redacted
from resnext.info.page import Page, size_text
from resnext.models import catalog, hub, weights
from resnext.models.hub import hub_is_offline
from resnext.shelf.choice import auto_choice, state_of
from resnext.shelf.shelf import Shelf
from resnext.store.store import Store

Status = Literal["ok", "note", "broken"]
_MAX_CHARACTERS = 300  # of an unforeseen error's message
_STYLES: dict[Status, str] = {"ok": "green", "note": "yellow", "broken": "bold red"}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. "note": something is not there that one can do without; "broken": labels can't be had or trusted."""

    name: str
    status: Status
    detail: str
    facts: dict[str, Any] = field(default_factory=dict)


def report(store: Store, notices: Notices, offline: bool) -> dict[str, Any]:
    """Versions, machine, extras and checks, without private names; `broken` counts the checks that failed."""
    notices.info("checking; a model that is not compiled yet is compiled now")
    shelf = Shelf(notices, store)
    checks = [
        _checked("packages", _packages),
        _checked("image formats", _formats),
        _checked("cache", lambda: _cache(store)),
        _checked("bundled weights", _bundled),
        _checked("hub", lambda: _hub(offline)),
        _checked("reference", lambda: _reference(shelf)),
        _checked("speed", lambda: _speed(shelf, store, offline)),
    ]
    auto = auto_choice(store, offline)
    found = {
        "versions": packages.versions(),
        "machine": machine.report(),
        "auto": auto._asdict(),
        "extras": packages.extras(),
        "checks": [asdict(check) for check in checks],
        "broken": sum(check.status == "broken" for check in checks),
    }
    cleaned: dict[str, Any] = redacted(found, private_names(store.root))
    return cleaned


def show(found: dict[str, Any], page: Page) -> None:
    """Versions and machine, then a line a check, then what extras there are."""
    versions = found["versions"]
    page.facts(
        [
            ("versions", ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())),
            ("system", found["machine"]["system"]),
            ("machine", machine.text(found["machine"])),
            ("auto", f"{found['auto']['name']}: {found['auto']['reason']}"),
        ]
    )
    page.line()
    for check in found["checks"]:
        page.facts([(check["name"], f"{check['status']}: {check['detail']}")], _STYLES[check["status"]])
    page.line()
    for row in found["extras"]:
        names = ", ".join(row["packages"])
        state = f"{names} installed" if row["installed"] else f"not installed; {row['command']} adds it"
        page.facts([(f"extra {row['extra']}", state)])
    broken = found["broken"]
    page.line()
    page.line(f"{broken} broken" if broken else "all is well", "bold red" if broken else "green")


def _checked(name: str, check: "Callable[[], Check]") -> Check:
    """A check that can't be carried out is itself a finding."""
    try:
        return check()
    except ResnextError as error:
        return Check(name, "broken", str(error))
    except Exception as error:
        # A torch that can't be imported raises whatever its loader does: that is what a doctor is called for.
        return Check(name, "broken", f"{type(error).__name__}: {str(error).strip()[:_MAX_CHARACTERS]}")


def _packages() -> Check:
    missing = packages.missing_requirements()
    if missing:
        return Check("packages", "broken", f"missing: {', '.join(missing)}; pip install them, or resnext again")
    if packages.versions()["openvino"] is None:
        return Check("packages", "note", "openvino is not installed; only --engine torch works, which is slow")
    return Check("packages", "ok", "all that is required is installed")


def _formats() -> Check:
    formats = packages.image_formats()
    missing = [name for name, there in formats.items() if not there]
    if not missing:
        return Check("image formats", "ok", f"Pillow reads {', '.join(formats)}", {"formats": formats})
    status: Status = "broken" if {"JPEG", "PNG"} & set(missing) else "note"
    detail = f"this Pillow was built without {', '.join(missing)}; pip install --force-reinstall pillow"
    return Check("image formats", status, detail, {"formats": formats})


def _cache(store: Store) -> Check:
    try:
        store.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=store.root) as file:
            file.write(b"0" * 4096)
            file.flush()
        free = _free_bytes(store)
    except OSError as error:
        default = catalog.resolve(auto_choice(store, offline=True).name).entry
        ready = default is not None and state_of(default, store).name == "compiled"
        detail = f"{store.root} can't be written: {error.strerror or error}; set RESNEXT_CACHE to another folder"
        return Check("cache", "note" if ready else "broken", detail)
    return Check("cache", "ok", f"{store.root} can be written, {size_text(free)} free", {"free_bytes": free})


def _free_bytes(store: Store) -> int:
    import shutil

    return shutil.disk_usage(store.root).free


def _bundled() -> Check:
    found = weights.bundled()
    return Check("bundled weights", "ok", f"{found.origin}, SHA-256 {found.digest[:12]}…", {"sha256": found.digest})


def _hub(offline: bool) -> Check:
    if offline or hub_is_offline():
        return Check("hub", "note", "not asked: the network is switched off", {"reachable": None})
    entry = catalog.resolve(catalog.DEFAULT_MODEL).entry
    assert entry is not None
    begin = time.monotonic()
    try:
        hub.ask_hub(entry.hub_repo)
    except ModelError as error:
        return Check("hub", "note", f"{error}; models that are on this machine need none", {"reachable": False})
    seconds = time.monotonic() - begin
    return Check("hub", "ok", f"answered in {seconds:.1f} s", {"reachable": True, "seconds": round(seconds, 2)})


def _reference(shelf: Shelf) -> Check:
    from resnext.info.health import trial

    found = trial.against_reference(shelf)
    words = f"logits of {found['model']} and torch's differ by {found['largest_difference']:.1e} at most, in fp32"
    if found["agree"]:
        return Check("reference", "ok", words, found)
    return Check("reference", "broken", f"{words}: more than {found['tolerance']:g}; use --engine torch", found)


def _speed(shelf: Shelf, store: Store, offline: bool) -> Check:
    from resnext.info.health import trial

    choice = auto_choice(store, offline).name
    entry = catalog.resolve(choice).entry
    if entry is not None and state_of(entry, store).name == "download":
        choice = auto_choice(store, offline=True).name
    found = trial.speed(shelf, choice, os.cpu_count() or 1)
    detail = (
        f"{found['photos_per_second']:.0f} photos/s with {found['model']}, decoding included;"
        f" precision auto is {found['precision']}"
    )
    return Check("speed", "ok", detail, found)
