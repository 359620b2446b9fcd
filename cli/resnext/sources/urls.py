"""http:// and https:// addresses: fetched whole, within bounds of time and size, retried where that can help.

One event loop in a thread of its own does the work of all callers. Only so one deadline can cover all that a server
may do to gain time: names that are not resolved, connections that are not taken, headers and bodies that drip.
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import email.utils
import functools
import os
import random
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import quote

import httpx2

from resnext import __version__
from resnext.errors import FailureCode, InputError
from resnext.records import Source
from resnext.sources.addresses import shown
from resnext.sources.config import FetchConfig

MAX_REDIRECTS = 5
_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 8.0
_CONNECTIONS = 64
_HEADERS = {
    "User-Agent": f"resnext/{__version__} (command-line image classifier) httpx2/{httpx2.__version__}",
    "Accept": "image/*, */*;q=0.5",
    # A photo does not shrink; what is sent packed all the same is unpacked below, within bounds.
    "Accept-Encoding": "identity",
}


class Fetcher:
    """Fetches addresses for any number of threads; connects to nothing before the first."""

    def __init__(self, config: FetchConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._running: asyncio.AbstractEventLoop | None = None

    def source(self, url: str) -> Source:
        """An input that is fetched when it is read; its name holds no password."""
        return Source(shown(url), read=functools.partial(self.fetch, url), remote=True)

    def fetch(self, url: str) -> bytes:
        """Give the content behind an address.

        Raises:
            InputError: it can't be had, or not within the bounds.
        """
        session = asyncio.run_coroutine_threadsafe(self._in_time(url), self._loop())
        try:
            return session.result(self._config.timeout + 5)  # in case even giving up is held up
        except concurrent.futures.TimeoutError as error:
            session.cancel()
            raise self._too_slow() from error
        except concurrent.futures.CancelledError as error:
            raise InputError(FailureCode.NETWORK, "given up at the end of the run") from error

    def _too_slow(self) -> InputError:
        return InputError(FailureCode.TIMEOUT, f"no complete answer within {self._config.timeout:g} s (--timeout)")

    # -- in the event loop -------------------------------------------------------------------------------------------

    async def _in_time(self, url: str) -> bytes:
        deadline = asyncio.get_running_loop().time() + self._config.timeout
        try:
            async with asyncio.timeout_at(deadline):
                return await self._with_retries(url, deadline)
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise self._too_slow() from error

    async def _with_retries(self, url: str, deadline: float) -> bytes:
        attempt = 0
        while True:
            try:
                return await self._once(url)
            except _Retryable as passing:
                pause = passing.after if passing.after is not None else _pause(attempt)
                in_time = asyncio.get_running_loop().time() + pause < deadline
                if attempt >= self._config.retries or not in_time:
                    raise passing.failure from passing
                attempt += 1
                await asyncio.sleep(pause)

    async def _once(self, url: str) -> bytes:
        try:
            request = self._client.build_request("GET", _encodable(url))
            if not request.url.host:
                raise InputError(FailureCode.BAD_ENTRY, "not a valid address")
            for _ in range(MAX_REDIRECTS + 1):
                if request.url.scheme not in ("http", "https") or not request.url.host:
                    raise InputError(FailureCode.HTTP, "redirected to what is no http or https address")
                response = await self._client.send(request, stream=True)
                try:
                    if not response.has_redirect_location:
                        return await self._content(response)
                    if response.next_request is None:
                        raise InputError(FailureCode.HTTP, "redirected to what is no address")
                    request = response.next_request
                finally:
                    await response.aclose()
            raise InputError(FailureCode.HTTP, f"redirected more than {MAX_REDIRECTS} times")
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, UnicodeError, ValueError) as error:
            raise InputError(FailureCode.BAD_ENTRY, "not a valid address") from error
        except httpx2.TimeoutException:
            raise
        except httpx2.TransportError as error:
            raise _from_transport_error(error) from error

    async def _content(self, response: httpx2.Response) -> bytes:
        if not response.is_success:
            raise _from_status(response)
        limit = self._config.max_bytes
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced[:20]) > limit:
            raise _too_large(limit)
        unpack = _unpacker(response.headers.get("Content-Encoding", ""))
        content = bytearray()
        async for chunk in response.aiter_raw():
            content += unpack.decompress(chunk, limit + 1 - len(content)) if unpack is not None else chunk
            if len(content) > limit:
                raise _too_large(limit)
        if unpack is not None and not unpack.eof:
            raise _Retryable(InputError(FailureCode.NETWORK, "the answer broke off"))
        return bytes(content)

    @functools.cached_property
    def _client(self) -> httpx2.AsyncClient:
        """Made in the event loop, by its one thread. Proxies come from the environment."""
        try:
            return httpx2.AsyncClient(
                headers=_HEADERS,
                timeout=httpx2.Timeout(self._config.timeout),
                limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # none are kept
            )
        except ImportError as error:
            raise InputError(FailureCode.MISSING_PACKAGE, "the proxy of the environment needs socksio") from error

    def _loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._running is None:
                self._running = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._running.run_forever, name="fetch", daemon=True)
                self._thread.start()
                atexit.register(self.close)
            return self._running

    def close(self) -> None:
        """Give up what is still being fetched, and every connection; done at the end of the process at the latest."""
        with self._lock:
            loop, self._running = self._running, None
        if loop is None:
            return
        atexit.unregister(self.close)
        ended = asyncio.run_coroutine_threadsafe(self._give_up(), loop)
        with contextlib.suppress(concurrent.futures.TimeoutError):
            ended.result(1)
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(1)
        if not self._thread.is_alive():
            loop.close()

    async def _give_up(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=0.5)
        if "_client" in self.__dict__:
            await self._client.aclose()
            del self._client


class _Retryable(Exception):
    """What may go better next time. `after`: the seconds that the server asks for."""

    def __init__(self, failure: InputError, after: float | None = None) -> None:
        super().__init__(str(failure))
        self.failure, self.after = failure, after


def _pause(attempt: int) -> float:
    """Twice as long each time, and never the same for all who failed together."""
    return min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0**attempt) * random.uniform(0.75, 1.25)


def _from_status(response: httpx2.Response) -> Exception:
    """The server's own words are left out: they may be anything."""
    try:
        phrase = f" {HTTPStatus(response.status_code).phrase}"
    except ValueError:
        phrase = ""
    failure = InputError(FailureCode.HTTP, f"the server answered {response.status_code}{phrase}")
    if response.status_code not in _RETRIED_STATUS:
        return failure
    return _Retryable(failure, _seconds(response.headers.get("Retry-After", "")))


def _seconds(retry_after: str) -> float | None:
    """Retry-After is a number of seconds or a date."""
    if retry_after.isascii() and retry_after.strip().isdigit():
        return float(retry_after[:20])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _from_transport_error(error: httpx2.TransportError) -> Exception:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            failure = InputError(FailureCode.NETWORK, "no such host, or no network")
            return _Retryable(failure) if cause.errno == socket.EAI_AGAIN else failure
        if isinstance(cause, ssl.SSLCertVerificationError):
            return InputError(FailureCode.NETWORK, "the server's certificate is not valid")
    if isinstance(error, httpx2.ProxyError):
        return InputError(FailureCode.NETWORK, "the proxy refused the connection")
    reason = next(
        (os.strerror(c.errno) for c in causes if isinstance(c, OSError) and c.errno is not None and c.errno > 0), None
    )
    if isinstance(error, httpx2.ConnectError):
        return _Retryable(InputError(FailureCode.NETWORK, f"can't connect{f': {reason}' if reason else ''}"))
    return _Retryable(InputError(FailureCode.NETWORK, f"the answer broke off{f': {reason}' if reason else ''}"))


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions


def _unpacker(encoding: str) -> "zlib._Decompress | None":
    if encoding.strip().lower() in ("", "identity"):
        return None
    if encoding.strip().lower() in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(32 + zlib.MAX_WBITS)
    raise InputError(FailureCode.HTTP, "sent in an encoding that was not asked for")


def _too_large(limit: int) -> InputError:
    return InputError(FailureCode.TOO_LARGE, f"more than {limit / 1e6:g} MB (--max-file-size)")


def _encodable(url: str) -> str:
    """Bytes that are no valid UTF-8 are written as %XX, as browsers do; all else httpx2 writes as it must be."""
    try:
        url.encode()
    except UnicodeEncodeError:
        return quote(os.fsencode(url), safe="".join(chr(code) for code in range(0x21, 0x7F)))
    return url
