"""CRCNS as it is since 2026, and the older portal: a wrong login is answered with status 200 and a page."""

from __future__ import annotations

import secrets

from .places import Place
from .wire import Answer, LabRequest, file_answer, not_found, page, redirect

LOGIN_PAGE = (
    '<form action="login_form" method="post">Please log in'
    '<input name="__ac_name"><input name="__ac_password" type="password"></form>'
)
USERNAME = "researcher"
PASSWORD = "correct horse & battery=staple/é"
"""With characters that are written otherwise in a form."""
PORTAL = "/project/crcns/download/"


class CrcnsPlace(Place):
    """``crcns.org`` takes the login, ``download.crcns.org`` gives files to who has its cookie.

    Attributes
    ----------
    logins
        Names of users by cookie; clear it, and the site has forgotten them.
    """

    hosts = frozenset({"crcns.org", "download.crcns.org"})

    def __init__(self) -> None:
        super().__init__()
        self.logins: dict[str, str] = {}

    def answer(self, request: LabRequest) -> Answer:
        """Answer a request."""
        if request.host == "crcns.org":
            return self._login_form(request)
        user = self.logins.get(request.cookie("__ac") or "")
        if user is None:
            return page(LOGIN_PAGE)
        data_set, _, name = request.path.strip("/").partition("/")
        there = {path: file for (_, path), file in self.files.items() if path.startswith(f"/{data_set}/")}
        if not there:
            return not_found()
        if not name:
            return page(f"You are logged in as {user}.")
        if name == "filelist.txt":
            lines = [f"+{path[1:]} {file.published_size} ({file.published_size} B)" for path, file in there.items()]
            return Answer(200, "\n".join(["# files", *lines, ""]).encode(), {"Content-Type": "text/plain"})
        return file_answer(there[request.path], request) if request.path in there else not_found()

    def _login_form(self, request: LabRequest) -> Answer:
        if request.path == "/login_form" and request.method == "POST":
            form = request.form
            if (form.get("__ac_name"), form.get("__ac_password")) != (USERNAME, PASSWORD):
                return page(f"Login failed. {LOGIN_PAGE}")
            cookie = secrets.token_hex(16)
            self.logins[cookie] = USERNAME
            sent_on = redirect("https://crcns.org/login_success")
            return Answer(302, b"", {**sent_on.headers, "Set-Cookie": f"__ac={cookie}; Domain=.crcns.org; Path=/"})
        if request.path == "/login_success":
            return page("Welcome")
        return not_found()


class PortalPlace(Place):
    """The portal at NERSC, which wants the form with every file."""

    hosts = frozenset({"portal.nersc.gov"})

    def answer(self, request: LabRequest) -> Answer:
        """Answer a request."""
        form = request.form
        file = self.files.get((request.host, request.path))
        if file is None or form.get("fn") != request.path.removeprefix(PORTAL):
            return not_found()
        if (form.get("username"), form.get("password")) != (USERNAME, PASSWORD):
            return page(LOGIN_PAGE)
        return file_answer(file, request)
