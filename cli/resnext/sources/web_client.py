"""How the web is asked: proxies and certificates of the environment, redirects; no cookies, no clock."""

import os
import ssl
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from resnext import __version__
from resnext.errors import FailureCode, InputError

MAX_REDIRECTS = 5
_CONNECTIONS = 64
_HEADERS = {
    "User-Agent": f"resnext/{__version__} (command-line image classifier) httpx2/{httpx2.__version__}",
    "Accept": "image/*, */*;q=0.5",
    "Accept-Encoding": "identity",  # a photo does not shrink
}


def web_client() -> httpx2.AsyncClient:
    """Make a client; what is wrong with the environment's certificates is said by each https address alone.

    Raises:
        InputError: the proxy of the environment can't be used.
    """
    context, problem = _tls()

    async def check_request(request: httpx2.Request) -> None:
        if problem and request.url.scheme == "https":
            raise InputError(FailureCode.NETWORK, problem)

    try:
        return httpx2.AsyncClient(
            headers=_HEADERS,
            verify=context,
            timeout=None,
            limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # none are kept
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            event_hooks={"request": [check_request], "response": [_check_redirect]},
        )
    except ImportError as error:
        raise InputError(
            FailureCode.MISSING_PACKAGE, "the proxy of the environment needs socksio: pip install socksio"
        ) from error
    except (httpx2.InvalidURL, ValueError) as error:
        raise InputError(FailureCode.NETWORK, "the proxy of the environment can't be used") from error


def _tls() -> tuple[ssl.SSLContext, str]:
    """How servers are checked, and what is wrong with what the environment says of it."""
    named = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), "")
    key_log = os.environ.get("SSLKEYLOGFILE")
    try:
        if named == "SSL_CERT_DIR":
            os.scandir(os.environ[named]).close()  # OpenSSL would take any name, and trust nobody
        context = httpx2.create_ssl_context()
        if key_log:
            context.keylog_filename = key_log
        return context, ""
    except OSError as error:
        name = "SSLKEYLOGFILE" if key_log and error.filename == key_log else named
        reason = "no certificates in it" if isinstance(error, ssl.SSLError) else error.strerror
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), f"{name} of the environment can't be used: {reason}"


async def _check_redirect(response: httpx2.Response) -> None:
    """Refuse redirects to what is no web address; what comes with others is not read."""
    if not response.has_redirect_location:
        return
    try:
        scheme = httpx2.URL(response.headers["Location"]).scheme
    except httpx2.InvalidURL as error:
        raise InputError(FailureCode.HTTP, "redirected to what is no address") from error
    if scheme not in ("", "http", "https"):
        raise InputError(FailureCode.HTTP, "redirected to what is no http or https address")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        await response.stream.aclose()
    response.stream = httpx2.ByteStream(b"")
