"""Requests to hosts: one hop at a time, over https only, without a request where the user is offline."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar
from requests.exceptions import RequestException, Timeout

from deepstrf_hf._version import __version__
from deepstrf_hf.download.replies import Reply, shown
from deepstrf_hf.download.retries import PASSING_STATUSES, PassingError, Retries, retry_after_s
from deepstrf_hf.errors import DownloadError, NotAtHostError

USER_AGENT = f"deepstrf-hf/{__version__}"
CONNECT_TIMEOUT_S = 30.0
READ_TIMEOUT_S = 60.0
MOST_REDIRECTS = 10
LARGEST_DOCUMENT = 20 * 1024 * 1024
"""Bytes of an answer that is not a file: a record of an API, a list of files."""
DOCUMENT_TRIES = 3
"""For such an answer: a download can often go on without it."""
OFFLINE_VARIABLES = ("DEEPSTRF_OFFLINE", "HF_HUB_OFFLINE")
TRUE_WORDS = frozenset({"1", "on", "yes", "true"})
FILE_STATUSES = frozenset({200, 206, 416})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
NOT_THERE = frozenset({404, 410})


def is_offline() -> bool:
    """Tell whether the environment forbids all requests."""
    return any(os.environ.get(name, "").lower() in TRUE_WORDS for name in OFFLINE_VARIABLES)


class HostSession:
    """Requests to a host, and to where it sends us on. Threads may share it.

    No cookie is kept and nothing that identifies the user is sent.

    Parameters
    ----------
    read_timeout_s : float
        Longest wait for the next bytes, s.
    offline : bool
        Whether every request is refused; so it is with ``DEEPSTRF_OFFLINE=1`` or ``HF_HUB_OFFLINE=1``.
    retries : Retries
        How patient it is.

    Attributes
    ----------
    retries : Retries
        As given.
    """

    USER_AGENT = USER_AGENT

    def __init__(
        self, *, read_timeout_s: float = READ_TIMEOUT_S, offline: bool = False, retries: Retries | None = None
    ) -> None:
        self.retries = Retries() if retries is None else retries
        self._read_timeout_s = read_timeout_s
        self._offline = offline
        self._http = requests.Session()
        self._http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def __enter__(self) -> HostSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Ask for a file, or for a part of it.

        Parameters
        ----------
        url : str
            An https address; redirects are followed.
        headers : mapping, optional
            ``Range`` and ``If-Range``.

        Returns
        -------
        Reply
            With status 200 (the file), 206 (a part) or 416 (there is no such part); to be closed.

        Raises
        ------
        PassingError
            It may work later: no connection, nothing for too long, status 429 or 5xx.
        DownloadError
            It will not: refused, not found, not over https, offline.
        """
        return self.accept(self.get(url, headers))

    def document(self, url: str) -> bytes:
        """Return what is at an address, with retries.

        Raises
        ------
        DownloadError
            It cannot be had.
        """

        def attempt() -> bytes:
            with self.open(url) as reply:
                return reply.content(LARGEST_DOCUMENT)

        return replace(self.retries, tries=min(DOCUMENT_TRIES, self.retries.tries)).run(f"Asking {shown(url)}", attempt)

    def json(self, url: str) -> Any:
        """Return the JSON document at an address, with retries.

        Raises
        ------
        DownloadError
            It cannot be had, or is no JSON.
        """
        content = self.document(url)
        try:
            return json.loads(content)
        except ValueError:
            raise DownloadError(
                f"{shown(url)} did not answer with JSON", found=repr(content[:80]), mend="try again later"
            ) from None

    def page_instead(self, reply: Reply) -> DownloadError:
        """Make the error for a page that came in place of a file."""
        return DownloadError(
            f"{reply.host} answered with a page in place of the file",
            field=shown(reply.url),
            found=f"status {reply.status}, content type {reply.header('Content-Type')}",
            expected="the file",
            mend="open the address in a browser: the host may be under repair, or the file withdrawn",
        )

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Ask for an address and follow redirects; any status is an answer (errors otherwise as in `open`)."""
        for _ in range(MOST_REDIRECTS):
            reply = self.send(url, headers)
            target = redirect_of(reply)
            if target is None:
                return reply
            reply.close()
            url = target
        raise DownloadError("The host sends us round in circles", field=shown(url), mend="try again later")

    def send(self, url: str, headers: Mapping[str, str] | None = None, form: AuthBase | None = None) -> Reply:
        """Make one request, and follow no redirect.

        Parameters
        ----------
        url : str
            An https address.
        headers : mapping, optional
            Further headers.
        form : AuthBase, optional
            Puts a form into the request, which then is a POST.

        Raises
        ------
        PassingError
            There was no answer.
        DownloadError
            The request must not, or cannot, be made.
        """
        self.see_that_it_may_be_asked(url)
        outcome = self._exchange(url, dict(headers or {}), form)
        if isinstance(outcome, requests.Response):
            return Reply(outcome, url)
        raise outcome

    def see_that_it_may_be_asked(self, url: str) -> None:
        """Raise `DownloadError` where an address is not https, or no request may be made."""
        if urlsplit(url).scheme != "https":
            raise DownloadError("Only https is used", found=shown(url), mend="give an https address")
        if self._offline or is_offline():
            raise DownloadError(
                "This is needed and not here, and no request is made offline",
                found=shown(url),
                mend=f"unset {' and '.join(OFFLINE_VARIABLES)} or ask for online, or put the file in place by hand",
            )

    def accept(self, reply: Reply) -> Reply:
        """Return an answer that is a file, a part of one or 416; raise what any other means (as in `open`)."""
        if reply.status not in FILE_STATUSES:
            reply.close()
            raise self.refusal(reply)
        encoding = reply.header("Content-Encoding") or "identity"
        if encoding.lower() != "identity":
            reply.close()
            raise DownloadError(
                f"{reply.host} sent the file in another encoding than was asked for",
                field="Content-Encoding",
                found=encoding,
                expected="identity",
                mend="try again later, or fetch the file with a browser and put it in place by hand",
            )
        return reply

    def refusal(self, reply: Reply) -> PassingError | DownloadError:
        """Make the error for an answer that is not a file."""
        said = f"{reply.host} answered with status {reply.status}"
        if reply.status in PASSING_STATUSES:
            return PassingError(said, retry_after_s(reply.header("Retry-After"), self.retries.now()))
        mends = {
            401: "the host wants a login that this library does not know of: is the file still public?",
            403: "the host does not give this file: open the address in a browser",
        }
        if reply.status in NOT_THERE:
            return NotAtHostError(
                said,
                field=shown(reply.url),
                mend="the file was moved or withdrawn: see the corpus's homepage, or put the file in place by hand",
            )
        return DownloadError(
            said, field=shown(reply.url), mend=mends.get(reply.status, "open the address in a browser")
        )

    def http_for(self, host: str) -> requests.Session:
        """Return the client for a host; a host that got a login has one of its own, with its cookies."""
        return self._http

    def _exchange(self, url: str, headers: dict[str, str], form: AuthBase | None) -> requests.Response | BaseException:
        """Return the answer, or what went wrong as a new error.

        Frames below this one hold the form and cookies, so nothing that was raised in them leaves this function.
        """
        parts = urlsplit(url)
        http = self.http_for(parts.netloc)
        headers |= {"User-Agent": self.USER_AGENT, "Accept-Encoding": "identity"}
        request = None
        try:
            request = http.prepare_request(
                requests.Request("GET" if form is None else "POST", url, headers, auth=form or _nothing)
            )
            settings = http.merge_environment_settings(url, {}, True, None, None)
            response = http.get_adapter(url).send(
                request,
                stream=True,
                timeout=(CONNECT_TIMEOUT_S, self._read_timeout_s),
                verify=settings["verify"] or True,  # an authority of one's own may be named, none is not taken
                proxies=settings["proxies"],
            )
            extract_cookies_to_jar(http.cookies, request, response.raw)
        except BaseException as error:  # noqa: BLE001
            return _said_anew(error, parts.netloc)
        finally:
            if request is not None:  # it stays with the response
                request.body = None
                request.headers.pop("Cookie", None)
        return response


def redirect_of(reply: Reply) -> str | None:
    """Return where an answer sends us on; None where it does not.

    Raises
    ------
    DownloadError
        To an address that is not https.
    """
    location = reply.header("Location")
    if reply.status not in REDIRECTS or location is None:
        return None
    target = urljoin(reply.url, location)
    if urlsplit(target).scheme != "https":
        reply.close()
        raise DownloadError(
            f"{reply.host} sends us on to an address that is not used",
            found=shown(target),
            expected="an https address",
            mend="open the address in a browser",
        )
    return target


def _nothing(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Add no login; with none at all requests would add one from the user's ``.netrc``."""
    return request


def _said_anew(error: BaseException, host: str) -> BaseException:
    """Return an error that says what happened and holds nothing of the request."""
    if not isinstance(error, Exception):
        return type(error)()
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return DownloadError(
            f"The certificate of {host} is not one that is trusted here",
            mend="if your network puts its own in place of it, name its authority in REQUESTS_CA_BUNDLE",
        )
    if isinstance(error, Timeout):
        return PassingError(f"{host} did not answer in time")
    if isinstance(error, RequestException) and not isinstance(error, ValueError):
        inner = getattr(error.args[0], "reason", None) if error.args else None
        return PassingError(f"there is no connection to {host} ({type(inner or error).__name__})")
    return DownloadError(
        f"The request to {host} cannot be made",
        found=type(error).__name__,
        mend="check the address, and REQUESTS_CA_BUNDLE and the proxies in the environment",
    )
