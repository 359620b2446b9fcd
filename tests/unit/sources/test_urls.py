"""Addresses against a server that behaves badly: every answer is the photo or an InputError, and in time."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from resnext.errors import FailureCode, InputError
from resnext.records import Source
from resnext.sources import find
from resnext.sources.addresses import local_path, scheme_of, shown
from resnext.sources.config import FetchConfig, SourceConfig
from resnext.sources.urls import Fetcher
from support.hostile_server import PHOTO, HostileServer

TIMEOUT, MAX_BYTES = 1.0, 2_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with HostileServer().running() as running:
        yield running


_MADE: list[Fetcher] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _MADE:
        _MADE.pop().close()


def fetcher(timeout: float = TIMEOUT, retries: int = 2) -> Fetcher:
    _MADE.append(Fetcher(FetchConfig(timeout=timeout, retries=retries, max_bytes=MAX_BYTES)))
    return _MADE[-1]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/stall-before-headers", FailureCode.TIMEOUT),
        ("/stall-in-headers", FailureCode.TIMEOUT),
        ("/stall-in-body", FailureCode.TIMEOUT),
        ("/drip-headers", FailureCode.TIMEOUT),
        ("/drip-body", FailureCode.TIMEOUT),
        ("/endless-interim", FailureCode.TIMEOUT),
        ("/endless-headers", FailureCode.NETWORK),
        ("/endless-body", FailureCode.TOO_LARGE),
        ("/terabyte", FailureCode.TOO_LARGE),
        ("/gzip-bomb", FailureCode.TOO_LARGE),
        ("/brotli", FailureCode.HTTP),
        ("/zstd", FailureCode.HTTP),
        ("/layers", FailureCode.HTTP),
        ("/no-gzip", FailureCode.HTTP),
        ("/no-deflate", FailureCode.HTTP),
        ("/damaged-gzip", FailureCode.HTTP),
        ("/zip", FailureCode.ARCHIVE),
        ("/short", FailureCode.NETWORK),
        ("/reset", FailureCode.NETWORK),
        ("/no-http", FailureCode.NETWORK),
        ("/loop", FailureCode.HTTP),
        ("/to-file", FailureCode.HTTP),
        ("/to-data", FailureCode.HTTP),
        ("/to-ftp", FailureCode.HTTP),
        ("/to-nonsense", FailureCode.HTTP),
        ("/missing", FailureCode.HTTP),
        ("/bad-reason", FailureCode.HTTP),
        ("/always-busy", FailureCode.HTTP),
        ("/in-thirty-years", FailureCode.HTTP),
    ],
)
def test_whatever_a_server_does_ends_in_words(server: HostileServer, path: str, code: FailureCode) -> None:
    timeout = TIMEOUT if code == FailureCode.TIMEOUT else 60
    with pytest.raises(InputError) as caught:
        fetcher(timeout, retries=1).fetch(server.endpoint + path)
    assert caught.value.code == code
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "path",
    ["/good", "/wrong-type", "/gzip", "/x-gzip", "/deflate", "/raw-deflate", "/long", "/five-redirects", "/reset-once"],
)
def test_what_can_be_had_is_had(server: HostileServer, path: str) -> None:
    assert fetcher(timeout=20).fetch(server.endpoint + path) == PHOTO


def test_what_comes_with_a_redirect_is_not_read(server: HostileServer) -> None:
    assert fetcher(timeout=20).fetch(server.endpoint + "/endless-redirect") == PHOTO


def test_any_damage_is_a_photo_or_an_error_in_words(server: HostileServer, amount: Callable[[int, int], int]) -> None:
    """Of headers and of bodies, by seed; nothing but an InputError may come out, in time."""
    shared = fetcher(timeout=3, retries=0)

    def outcome(seed: int) -> str:
        try:
            return "" if shared.fetch(f"{server.endpoint}/damaged?{seed}") else "empty"
        except InputError as error:
            assert str(error).isprintable()
            return error.code

    with ThreadPoolExecutor(16) as pool:
        codes = set(pool.map(outcome, range(amount(300, 60))))
    assert {"", "http", "network"} <= codes


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSL_CERT_FILE", "/nonexistent/c.pem"),
        ("SSL_CERT_FILE", "/"),
        ("SSL_CERT_FILE", __file__),
        ("SSL_CERT_DIR", "/nonexistent/certs"),
        ("SSLKEYLOGFILE", "/nonexistent/keys"),
    ],
)
def test_a_stale_variable_of_tls_concerns_https_alone(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    for each in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, value)
    fetch = fetcher(timeout=20, retries=0).fetch
    assert fetch(server.endpoint + "/good") == PHOTO
    with pytest.raises(InputError, match=f"{name} of the environment can't be used: .") as caught:
        fetch("https://127.0.0.1:1/x.png")
    assert caught.value.code == FailureCode.NETWORK


@pytest.mark.parametrize("value", ["http://proxy:31a28", "ftp://proxy", "http://[::1", "proxy:port"])
def test_a_proxy_that_is_nonsense_is_named(server: HostileServer, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("http_proxy", value)
    with pytest.raises(InputError, match="the proxy of the environment can't be used") as caught:
        fetcher(retries=0).fetch(server.endpoint + "/good")
    assert caught.value.code == FailureCode.NETWORK


def test_https_on_a_plain_port_is_said_to_be_a_matter_of_tls(server: HostileServer) -> None:
    with pytest.raises(InputError, match=r"no TLS \(https\) can be spoken with this server: .") as caught:
        fetcher(timeout=20, retries=0).fetch(server.endpoint.replace("http:", "https:") + "/good")
    assert caught.value.code == FailureCode.NETWORK


def test_what_may_get_better_is_asked_for_again_and_nothing_else(server: HostileServer) -> None:
    fetch = fetcher(timeout=30).fetch
    assert fetch(server.endpoint + "/twice-busy") == PHOTO
    assert server.asked["/twice-busy"] == 3
    begin = time.monotonic()
    assert fetch(server.endpoint + "/in-a-second") == PHOTO
    assert time.monotonic() - begin >= 1
    for path, times in (("/in-thirty-years?again", 1), ("/missing?again", 1)):
        before = server.asked[path.partition("?")[0]]
        with pytest.raises(InputError):
            fetch(server.endpoint + path)
        assert server.asked[path.partition("?")[0]] - before == times


def test_credentials_go_to_their_own_host_and_into_no_message(server: HostileServer) -> None:
    with HostileServer().running() as other:
        server.other = other.endpoint.replace("127.0.0.1", "localhost")
        own = server.endpoint.replace("http://", "http://user:secret@")
        source = fetcher(timeout=20).source(own + "/to-other")
        assert source.remote and source.read is not None
        assert source.read() == PHOTO
        assert "secret" not in source.file and source.file.endswith("/to-other")
        assert "/to-other" in server.authorized and other.asked["/good"] == 1 and not other.authorized
    with pytest.raises(InputError) as caught:
        fetcher().fetch(own + "/missing")
    assert "secret" not in str(caught.value)


def test_the_agent_says_who_asks_and_cookies_are_not_kept(server: HostileServer) -> None:
    from resnext import __version__

    shared = fetcher(timeout=20)
    assert shared.fetch(server.endpoint + "/cookie") == shared.fetch(server.endpoint + "/cookie") == PHOTO
    assert all(agent.startswith(f"resnext/{__version__} ") for agent in server.agents)


def test_one_client_serves_many_threads(server: HostileServer) -> None:
    shared = fetcher(timeout=30)
    with ThreadPoolExecutor(32) as pool:
        bodies = list(pool.map(lambda number: shared.fetch(f"{server.endpoint}/slow?{number}"), range(96)))
    assert bodies == [PHOTO] * 96


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://", FailureCode.BAD_ENTRY),
        ("http://[::1", FailureCode.BAD_ENTRY),
        ("http://a\x00b/", FailureCode.BAD_ENTRY),
        ("http://host:port/", FailureCode.BAD_ENTRY),
        ("http://caf\udce9.invalid:1/", FailureCode.NETWORK),
        ("http://127.0.0.1:1/", FailureCode.NETWORK),
    ],
)
def test_no_address_at_all(url: str, code: FailureCode) -> None:
    with pytest.raises(InputError) as caught:
        fetcher(retries=0).fetch(url)
    assert caught.value.code in (code, FailureCode.BAD_ENTRY)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://user:pass@host/x.jpg?a=b@c", "https://***@host/x.jpg?a=b@c"),
        ("https://TOKEN@host/x.jpg", "https://***@host/x.jpg"),
        ("https://user:p@ss@host/x.jpg", "https://***@host/x.jpg"),
        ("sftp://alice@host/x.jpg", "sftp://alice@host/x.jpg"),
        ("sftp://alice:pw@host/x.jpg", "sftp://alice:***@host/x.jpg"),
        ("zip://a.jpg::https://u:p@host/x.zip", "zip://a.jpg::https://***@host/x.zip"),
        ("http://host/x@2.jpg", "http://host/x@2.jpg"),
    ],
)
def test_secrets_are_not_shown(address: str, expected: str) -> None:
    assert shown(address) == expected


def test_addresses_are_told_from_paths() -> None:
    assert scheme_of("HTTPS://host/x") == "https"
    assert scheme_of("zip://a::s3://b") == "zip"
    assert scheme_of("c://x") is None  # a drive, or a typing error
    assert scheme_of("photos/http://x") is None
    assert local_path("file:///a%20b/%FF.jpg") == "/a b/\udcff.jpg"
    assert local_path("file://localhost/a") == "/a"
    with pytest.raises(InputError):
        local_path("file://elsewhere/a")


def test_an_address_of_ipv6_is_an_address() -> None:
    for address in ("http://[::1]:8000/x.png", "https://[fe80::1%25eth0]/a::b.png"):
        (item,) = find([address], SourceConfig())
        assert isinstance(item, Source) and item.remote and item.file == address
