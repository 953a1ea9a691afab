"""HTTP for the client of chat endpoints: one address, pooled connections, proxies of the environment, bodies of bounded size."""

from __future__ import annotations

import ipaddress
import os
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

import certifi
import urllib3
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout, Url, make_headers, parse_url

from maestromotif.errors import ChatError

__all__ = ["Response", "TimedOut", "Transport", "Unreachable", "read_url"]

# Seconds; nobody waits longer for a connection, however long an answer may take.
_CONNECT = 15.0
# Bytes of a body that are read; a chat completion has thousands.
_MOST = 32 * 2**20
_PIECE = 2**18
_IDLE_CONNECTIONS = 256


class TimedOut(Exception):
    """No connection or no answer in time."""


class Unreachable(Exception):
    """No connection, or it was lost; the text says why."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. ``whole``: the body was not longer than what is read at most."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    whole: bool


class Transport:
    """Posts to one URL; safe to call from several threads. Redirects are answers like others, and nothing is tried twice.

    The proxies of the environment are used, but for this machine's own loopback, which none of them can reach. Certificates are verified
    against the system's and certifi's, or against those alone that ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` names.

    Args:
        timeout: seconds until the answer begins, and as many for all of it, so that one that never ends is given up.

    Raises:
        ChatError: the environment names a proxy that is not http or https.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._timeout = timeout
        parsed = read_url(url)
        proxy = _proxy(parsed)
        limit = Timeout(connect=min(_CONNECT, timeout), read=timeout)
        trusted = _certificates() if "https" in (parsed.scheme, proxy.scheme if proxy else None) else None
        manager: urllib3.PoolManager
        if proxy:
            login = make_headers(proxy_basic_auth=urllib.parse.unquote(proxy.auth)) if proxy.auth else None
            address = proxy._replace(auth=None).url
            manager = urllib3.ProxyManager(address, maxsize=_IDLE_CONNECTIONS, timeout=limit, ssl_context=trusted, proxy_headers=login)
        else:
            manager = urllib3.PoolManager(maxsize=_IDLE_CONNECTIONS, timeout=limit, ssl_context=trusted)
        # The pool is asked itself: finding it again for each call would take a quarter of the call's time.
        self._pool = manager.connection_from_url(url)
        self._target = url if proxy and parsed.scheme == "http" else parsed.request_uri

    def post(self, content: bytes, headers: Mapping[str, str]) -> Response:
        """One request.

        Raises:
            TimedOut, Unreachable: there is no answer.
        """
        try:
            response = self._pool.urlopen(
                "POST",
                self._target,
                content,
                headers,
                retries=False,
                redirect=False,
                assert_same_host=False,  # the pool of a proxy is asked for another host's address
                preload_content=False,
            )
            body = _read(response, time.monotonic() + self._timeout)
        except urllib3.exceptions.HTTPError as error:
            cause = _innermost(error)
            if isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError):
                raise TimedOut from error
            where = "its proxy: " if isinstance(error, urllib3.exceptions.ProxyError) else ""
            raise Unreachable(where + (" ".join(str(cause).split()) or type(cause).__name__)) from error
        return Response(response.status, response.headers, body[:_MOST], len(body) <= _MOST)

    def close(self) -> None:
        self._pool.close()


def _read(response: BaseHTTPResponse, until: float) -> bytes:
    """The body, or the first bytes of one that is too long.

    Raises:
        TimedOut: it has not ended by then; some servers send a byte now and then for ever.
    """
    body = bytearray(response.read1(_PIECE))
    while len(body) <= _MOST and (piece := response.read1(_PIECE)):
        body += piece
        if time.monotonic() > until:
            response.close()
            raise TimedOut
    if len(body) > _MOST:
        response.close()
    return bytes(body)


def read_url(text: str) -> Url:
    """The parts of an http or https URL.

    Raises:
        ValueError: it is none.
    """
    if not text.isprintable():
        raise ValueError("characters that no URL has")
    url = parse_url(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("not an http or https URL")
    return url


def _proxy(url: Url) -> Url | None:
    """The proxy that the environment (or the system's settings) names for a URL."""
    host, proxies = url.host or "", urllib.request.getproxies()
    named = proxies.get(url.scheme or "") or proxies.get("all")
    if not named or _is_loopback(host) or urllib.request.proxy_bypass(url.netloc or host):
        return None
    try:
        return read_url(named if "://" in named else f"http://{named}")
    except ValueError:
        problem = f"the proxy that the environment names for {url.scheme}://{host} is not an http or https URL"
        raise ChatError(problem, f"Mend {url.scheme}_proxy or all_proxy, or name the host in no_proxy") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _certificates() -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not (os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")):
        context.load_verify_locations(certifi.where())
    return context


def _innermost(error: BaseException) -> BaseException:
    """What is behind an error of urllib3, whose own texts name its classes."""
    while inner := error.__cause__ or next((one for one in error.args if isinstance(one, BaseException)), None):
        error = inner
    return error
