"""Commands on this machine: ``deepstrf-hf cache | doctor``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deepstrf_hf.cli_options import AsJson, print_json
from deepstrf_hf.terminal import terminal


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything in it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show, or clear, the local cache of opened grids."""
    facts = _cache_facts(clear)
    if as_json:
        print_json(facts)
    elif facts["directory"] is None:
        terminal().print(f"There is no cache: {facts['switched_off_by']} is 0", highlight=False)
    else:
        terminal().print(
            f"{facts['directory']}: {'removed ' if facts['cleared'] else ''}{facts['entries']} entries, "
            f"{facts['bytes'] / 1e6:.1f} MB of at most {facts['limit_bytes'] / 1e9:g} GB",
            highlight=False,
        )


def _cache_facts(clear: bool) -> dict[str, Any]:
    """Return what the cache holds, or held where it is cleared."""
    from deepstrf_hf.cache.entries import CacheDirectory
    from deepstrf_hf.cache.settings import SIZE_VARIABLE, cache_settings
    from deepstrf_hf.completion import forget_words

    settings = cache_settings()
    if settings is None:
        return {"directory": None, "switched_off_by": SIZE_VARIABLE}
    directory = CacheDirectory(settings)
    entries = directory.entries()
    if clear:
        directory.clear()
        forget_words(settings.directory)
    return {
        "directory": str(settings.directory),
        "limit_bytes": settings.limit_bytes,
        "entries": len(entries),
        "bytes": sum(n_bytes for _, n_bytes, _ in entries),
        "cleared": clear,
    }


def doctor(as_json: AsJson = False) -> None:
    """Look whether this machine is fit: versions, optional parts, logins, disks; exits with 1 if there is a problem."""
    from deepstrf_hf.doctor import examine

    found = examine()
    if as_json:
        print_json(found.to_json())
    else:
        found.print(terminal())
    if not found.healthy:
        raise typer.Exit(1)
