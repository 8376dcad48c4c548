"""Logins: whether they are there. Nothing of their text is kept or told, and they are not tried."""

from __future__ import annotations

from deepstrf_hf.doctor.findings import NOTE, OK, Check
from deepstrf_hf.download.credentials import ACCOUNTS, credentials_for
from deepstrf_hf.errors import LoginError

TOPIC = "logins"


def examine_logins() -> list[Check]:
    """Check the login of each host that wants one, and that of the Hub."""
    return [*(_of_host(site) for site in ACCOUNTS), _of_hub()]


def _of_host(site: str) -> Check:
    try:
        source = credentials_for(site, ask=False).source
    except LoginError as error:
        return Check(TOPIC, site, NOTE, f"none: {error.found}", f"to download from there, {error.mend}")
    return Check(TOPIC, site, OK, f"user name and password are in {source}")


def _of_hub() -> Check:
    import huggingface_hub

    if huggingface_hub.get_token():
        return Check(TOPIC, "Hugging Face Hub", OK, "a token is there")
    mend = "to push, or to read private repositories, log in with `hf auth login`, or set HF_TOKEN"
    return Check(TOPIC, "Hugging Face Hub", NOTE, "no token", mend)
