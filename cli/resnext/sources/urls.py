"""http:// and https:// addresses: fetched whole, within bounds of time and size, retried where that can help.

One event loop in a thread of its own does the work of all callers. So one deadline, kept in `_by_deadline`, covers all
that a server may do to gain time: names that are not resolved, connections that are not taken, redirects, headers and
bodies that drip, pauses between attempts. Whatever an answer holds ends as the content or as an InputError.
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
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import quote

import httpx2

from resnext.errors import FailureCode, InputError
from resnext.records import Source
from resnext.sources.addresses import shown
from resnext.sources.bounds import over_max_file_size, refuse_archive
from resnext.sources.config import FetchConfig
from resnext.sources.web_client import MAX_REDIRECTS, web_client

_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 8.0
# What is unpacked although it was not asked for. One layer: several could unpack for minutes and give nothing.
_ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")


class Fetcher:
    """Fetches addresses for any number of threads; connects to nothing before the first."""

    def __init__(self, config: FetchConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._running: asyncio.AbstractEventLoop | None = None

    def __reduce__(self) -> tuple[type["Fetcher"], tuple[FetchConfig]]:
        return Fetcher, (self._config,)

    def source(self, url: str) -> Source:
        """An input that is fetched when it is read; its name holds no password."""
        return Source(shown(url), read=functools.partial(self.fetch, url), remote=True)

    def fetch(self, url: str) -> bytes:
        """Give the content behind an address.

        Raises:
            InputError: it can't be had, or not within the bounds.
        """
        session = asyncio.run_coroutine_threadsafe(self._by_deadline(url), self._loop())
        try:
            content = session.result(self._config.timeout + 5)  # in case even giving up is held up
        except concurrent.futures.TimeoutError as error:
            session.cancel()
            raise self._too_slow() from error
        except concurrent.futures.CancelledError as error:
            raise InputError(FailureCode.NETWORK, "given up at the end of the run") from error
        refuse_archive(content, "save it first, or name one member: zip://MEMBER::ADDRESS")
        return content

    def _too_slow(self) -> InputError:
        return InputError(FailureCode.TIMEOUT, f"no complete answer within {self._config.timeout:g} s (--timeout)")

    # -- in the event loop -------------------------------------------------------------------------------------------

    async def _by_deadline(self, url: str) -> bytes:
        """Fetch within the time that one address has in all: the only clock there is."""
        deadline = asyncio.get_running_loop().time() + self._config.timeout
        try:
            async with asyncio.timeout_at(deadline):
                return await self._with_retries(url, deadline)
        except TimeoutError as error:
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
            request = self._request(url)
            async with contextlib.aclosing(await self._client.send(request, stream=True)) as response:
                return await self._content(response)
        except (InputError, _Retryable):
            raise
        except httpx2.TooManyRedirects as error:
            raise InputError(FailureCode.HTTP, f"redirected more than {MAX_REDIRECTS} times") from error
        except httpx2.DecodingError as error:
            raise InputError(FailureCode.HTTP, "not packed as its Content-Encoding says") from error
        except httpx2.TransportError as error:
            raise _from_transport_error(error) from error
        except Exception as error:  # the libraries below raise whatever damaged answers make them raise
            raise InputError(FailureCode.NETWORK, f"the answer can't be read: {type(error).__name__}") from error

    def _request(self, url: str) -> httpx2.Request:
        try:
            request = self._client.build_request("GET", _encodable(url))
        except (httpx2.InvalidURL, ValueError) as error:
            raise InputError(FailureCode.BAD_ENTRY, "not a valid address") from error
        if not request.url.host:
            raise InputError(FailureCode.BAD_ENTRY, "not a valid address")
        return request

    async def _content(self, response: httpx2.Response) -> bytes:
        if not response.is_success:
            raise _from_status(response)
        limit = self._config.max_bytes
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced[:20]) > limit:
            raise over_max_file_size(limit)
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            raise InputError(FailureCode.HTTP, "sent in an encoding that was not asked for")
        response.headers["Content-Encoding"] = encoding.removeprefix("x-")
        content = bytearray()
        async for chunk in response.aiter_bytes():  # unpacked, a MiB at most at once
            content += chunk
            if len(content) > limit:
                raise over_max_file_size(limit)
        return bytes(content)

    @functools.cached_property
    def _client(self) -> httpx2.AsyncClient:
        return web_client()  # made in the event loop, by its one thread

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
        if isinstance(cause, ssl.SSLError):
            why = (cause.reason or "broken off").replace("_", " ").lower()
            return InputError(FailureCode.NETWORK, f"no TLS (https) can be spoken with this server: {why}")
    if isinstance(error, httpx2.ProxyError):
        return InputError(FailureCode.NETWORK, "the proxy refused the connection")
    reason = next(
        (os.strerror(c.errno) for c in causes if isinstance(c, OSError) and c.errno is not None and c.errno > 0), None
    )
    if isinstance(error, httpx2.ConnectError):
        return _Retryable(InputError(FailureCode.NETWORK, f"can't connect{f': {reason}' if reason else ''}"))
    return _Retryable(InputError(FailureCode.NETWORK, f"the answer broke off{f': {reason}' if reason else ''}"))


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    for cause in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _causes(cause)
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _causes(cause)


def _encodable(url: str) -> str:
    """Bytes that are no valid UTF-8 are written as %XX, as browsers do; all else httpx2 writes as it must be."""
    try:
        url.encode()
    except UnicodeEncodeError:
        return quote(os.fsencode(url), safe="".join(chr(code) for code in range(0x21, 0x7F)))
    return url
