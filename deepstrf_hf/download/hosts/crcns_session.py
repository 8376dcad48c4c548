"""A login at crcns.org, and files of download.crcns.org; of the older portal where the newer site has none.

The site, as of 2026: the form of ``https://crcns.org/login_form`` is posted once, its cookies open
``https://download.crcns.org/<data set>/<file>``. The older portal at NERSC takes the form with every file. Both answer
a wrong login with status 200 and a page.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit

import requests
from requests.auth import AuthBase

from deepstrf_hf._version import __version__
from deepstrf_hf.download.credentials import ACCOUNTS, Credentials, Secret
from deepstrf_hf.download.replies import Reply, shown
from deepstrf_hf.download.retries import PassingError, Retries
from deepstrf_hf.download.sessions import LARGEST_DOCUMENT, NOT_THERE, REDIRECTS, HostSession
from deepstrf_hf.errors import DownloadError, LoginError

SITE = "crcns.org"
LOGIN_FORM = "https://crcns.org/login_form"
FILES = "https://download.crcns.org/"
PORTAL = "https://portal.nersc.gov/project/crcns/download/"
COOKIE_HOSTS = frozenset({"crcns.org", "download.crcns.org"})
FORM_HOSTS = frozenset({"crcns.org", "portal.nersc.gov"})
LOGGED_IN = b"logged in as"
REFUSED = frozenset({401, 403})


class Form(AuthBase):
    """A form that is put into a request only while it is sent, since it holds a user name and a password.

    Parameters
    ----------
    credentials : Credentials
        Of the user.
    names : tuple of str
        Names of the fields for user name and password.
    others : mapping
        The other fields.
    """

    def __init__(self, credentials: Credentials, names: tuple[str, str], others: Mapping[str, str]) -> None:
        self._secrets: dict[str, Secret] = dict(zip(names, (credentials.username, credentials.password), strict=True))
        self._others = dict(others)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the form in; refused for a host that it does not belong to."""
        parts = urlsplit(request.url or "")
        if parts.scheme != "https" or parts.netloc not in FORM_HOSTS:
            raise DownloadError(f"No login is sent to {parts.netloc}")
        request.headers["Content-Type"] = "application/x-www-form-urlencoded"
        # "surrogatepass" takes any text: an error would hold the text.
        request.prepare_body(
            urlencode(self._others, errors="surrogatepass")
            + "".join(
                "&" + urlencode({name: secret.reveal()}, errors="surrogatepass")
                for name, secret in self._secrets.items()
            ),
            None,
        )
        return request


class CrcnsSession(HostSession):
    """Requests to CRCNS. The login is made with the first file, once, and again when the site has forgotten it.

    Parameters
    ----------
    credentials : Credentials or None
        Of the user; needed with the first request.
    read_timeout_s, offline, retries
        As in the base.
    """

    # The site is reported to answer only what looks like a browser; this does, and still says who it is.
    USER_AGENT = f"Mozilla/5.0 (compatible; deepstrf-hf/{__version__})"

    def __init__(
        self, credentials: Credentials | None, *, read_timeout_s: float, offline: bool, retries: Retries | None
    ) -> None:
        super().__init__(read_timeout_s=read_timeout_s, offline=offline, retries=retries)
        self._credentials = credentials
        self._with_cookies = requests.Session()
        self._login_lock = threading.Lock()
        self._logins = 0

    def close(self) -> None:
        """Close all connections and forget the login."""
        super().close()
        self._with_cookies.close()
        self._with_cookies.cookies.clear()

    def http_for(self, host: str) -> requests.Session:
        """Return the client with the login's cookies for the hosts that they belong to, else one without cookies."""
        return self._with_cookies if host in COOKIE_HOSTS else super().http_for(host)

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Ask for a file of a data set (see the base).

        Parameters
        ----------
        url : str
            ``https://download.crcns.org/<data set>/<file>``, or the same below the older portal.
        headers : mapping, optional
            ``Range`` and ``If-Range``.

        Raises
        ------
        LoginError
            The user name or password is wrong, or there is none.
        """
        self.see_that_it_may_be_asked(url)
        path = path_of(url)
        reply = self._newer(path, headers)
        if reply.status in NOT_THERE:
            reply.close()
            return self._older(path, headers)
        return self.accept(reply)

    def page_instead(self, reply: Reply) -> DownloadError:
        """Make the error for a page that came in place of a file: the login failed."""
        return self._login_failed(reply, "a page in place of the file")

    def _newer(self, path: str, headers: Mapping[str, str] | None) -> Reply:
        """Ask download.crcns.org, logged in; the answer may say that the file is not there."""
        logins = self._logins
        if logins == 0:
            refusal = self._log_in(path, logins)
            if refusal is not None:
                return refusal
        reply = self.get(FILES + path, headers)
        if logins > 0 and self._is_refused(reply):  # the login was made for an earlier file
            reply.close()
            refusal = self._log_in(path, logins)
            if refusal is not None:
                return refusal
            reply = self.get(FILES + path, headers)
        if self._is_refused(reply):
            reply.close()
            raise self.page_instead(reply)
        return reply

    @staticmethod
    def _is_refused(reply: Reply) -> bool:
        return reply.status in REFUSED or (reply.status == requests.codes.ok and reply.is_page())

    def _log_in(self, path: str, logins: int) -> Reply | None:
        """Log in, unless another thread did since ``logins`` were made; return the answer that there is no such place.

        Raises
        ------
        LoginError
            The login was not taken.
        """
        with self._login_lock:
            if self._logins > logins:
                return None
            others = {"form.submitted": "1", "js_enabled": "0", "pwd_empty": "0", "submit": "Log in"}
            reply = self._post(LOGIN_FORM, Form(self._needed(), ("__ac_name", "__ac_password"), others))
            if reply.status in REFUSED:
                reply.close()
                raise self._login_failed(reply, f"status {reply.status}")
            if reply.status in NOT_THERE:
                return reply
            reply.close()
            if reply.status in REDIRECTS:
                self.get(urljoin(reply.url, reply.header("Location"))).close()
            elif reply.status != requests.codes.ok:
                raise self.refusal(reply)
            with self.get(FILES + path.partition("/")[0]) as start:
                if start.status in NOT_THERE:
                    return start
                self.accept(start)
                if LOGGED_IN not in start.content(LARGEST_DOCUMENT).lower():
                    raise self._login_failed(start, "a page that does not say who is logged in")
            self._logins += 1
            return None

    def _older(self, path: str, headers: Mapping[str, str] | None) -> Reply:
        """Ask the older portal, which takes the form with every file."""
        form = Form(self._needed(), ("username", "password"), {"fn": path, "submit": "Login"})
        try:
            reply = self._post(PORTAL + quote(path), form, headers)
        except PassingError as error:
            raise self._nowhere(path, str(error)) from None
        if reply.status in NOT_THERE | REDIRECTS:
            reply.close()
            raise self._nowhere(path, f"portal.nersc.gov answered with status {reply.status}")
        if self._is_refused(reply):
            reply.close()
            raise self.page_instead(reply)
        return self.accept(reply)

    def _post(self, url: str, form: Form, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a form; where it is sent on to another place, it does not follow.

        Raises
        ------
        DownloadError
            The form has moved to another host, or is to be sent anew.
        """
        reply = self.send(url, headers, form)
        target = urljoin(url, reply.header("Location") or "")
        same_host = (urlsplit(target).scheme, urlsplit(target).netloc) == ("https", urlsplit(url).netloc)
        if reply.status in REDIRECTS and (not same_host or reply.status in (307, 308)):
            reply.close()
            raise DownloadError(
                f"The login of {reply.host} has moved, and no password is sent to where it is now",
                field=shown(url),
                found=shown(target),
                mend="is there a newer version of deepstrf-hf? Else fetch the files with a browser and put them in "
                "place by hand",
            )
        return reply

    def _needed(self) -> Credentials:
        if self._credentials is None:
            raise LoginError(
                f"A user name and a password of {SITE} are needed",
                mend=f"accounts are free: {ACCOUNTS[SITE].register_at}",
            )
        return self._credentials

    def _login_failed(self, reply: Reply, found: str) -> LoginError:
        return LoginError(
            f"{reply.host} did not take the user name and password from {self._needed().source}",
            field=shown(reply.url),
            found=found,
            mend=f"try them at {LOGIN_FORM} in a browser; accounts are free: {ACCOUNTS[SITE].register_at}",
        )

    def _nowhere(self, path: str, portal: str) -> DownloadError:
        return DownloadError(
            f"CRCNS has no file {path}",
            found=f"download.crcns.org answered that it is not there, and {portal}",
            mend="see the data set's page at https://crcns.org/data-sets, and put the file in place by hand",
        )


def path_of(url: str) -> str:
    """Return ``<data set>/<file>`` of an address below either site.

    Raises
    ------
    DownloadError
        It is below neither.
    """
    for base in (FILES, PORTAL):
        if url.startswith(base):
            return unquote(url[len(base) :])
    raise DownloadError("Not the address of a file at CRCNS", found=shown(url), expected=f"{FILES}<data set>/<file>")
