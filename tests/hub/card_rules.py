"""What the Hub asks of the metadata block of a dataset card, as far as its documentation tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

LICENCES = {
    "apache-2.0", "cc", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0",
    "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "mit", "odbl", "odc-by", "other", "pddl", "unknown",
}  # fmt: skip
"""Licences of data in the Hub's list."""
SIZES = {
    "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B", "10B<n<100B",
    "100B<n<1T", "n>1T", "other",
}  # fmt: skip
LISTS_OF_TEXT = ("tags", "task_categories", "size_categories", "language")
LICENCE_NAME = re.compile(r"[a-z0-9.-]+")
LICENCE_LINK = re.compile(r"LICENSE(\.md)?|https?://\S+")


def check_card(content: str) -> tuple[list[str], list[str]]:
    """Return the errors and the warnings that a card meets."""
    lines = content.splitlines()
    if not lines or lines[0].strip() != "---":
        return [], ["empty or missing yaml metadata in repo card"]
    rest = [line.rstrip() for line in lines[1:]]
    if "---" not in rest:
        return ["the YAML metadata is not closed"], []
    try:
        data = yaml.safe_load("\n".join(rest[: rest.index("---")]))
    except yaml.YAMLError as error:
        return [f"the YAML metadata cannot be read: {error}"], []
    if data is None:
        return [], ["empty or missing yaml metadata in repo card"]
    if not isinstance(data, dict):
        return ["the YAML metadata is no mapping"], []
    return list(_errors(data)), []


def _errors(data: dict[str, Any]) -> Iterator[str]:
    for name in LISTS_OF_TEXT:
        values = data.get(name, [])
        if not all(isinstance(value, str) for value in (values if isinstance(values, list) else [values])):
            yield f'"{name}" must be text or a list of text'
    sizes = data.get("size_categories", [])
    for size in sizes if isinstance(sizes, list) else [sizes]:
        if size not in SIZES:
            yield f'"size_categories" has an unknown value {size!r}'
    if not isinstance(data.get("pretty_name", ""), str):
        yield '"pretty_name" must be text'
    if not isinstance(data.get("viewer", True), bool):
        yield '"viewer" must be true or false'
    yield from _licence_errors(data)
    yield from _config_errors(data)


def _licence_errors(data: dict[str, Any]) -> Iterator[str]:
    licences = data.get("license", [])
    for licence in licences if isinstance(licences, list) else [licences]:
        if licence not in LICENCES:
            yield f'"license" must be one of the list, not {licence!r}'
    name, link = data.get("license_name"), data.get("license_link")
    if name is not None and not (isinstance(name, str) and LICENCE_NAME.fullmatch(name)):
        yield f'"license_name" must be an identifier such as my-license-1.0, not {name!r}'
    if link is not None and not (isinstance(link, str) and LICENCE_LINK.fullmatch(link)):
        yield f'"license_link" must be an address or LICENSE, not {link!r}'


def _config_errors(data: dict[str, Any]) -> Iterator[str]:
    configs = data.get("configs", [])
    if not isinstance(configs, list) or not all(
        isinstance(config, dict) and isinstance(config.get("config_name"), str) for config in configs
    ):
        yield '"configs" must be a list of configurations with a config_name'
        return
    names = [config["config_name"] for config in configs]
    if len(set(names)) < len(names):
        yield '"configs" names a configuration twice'
    if sum(bool(config.get("default")) for config in configs) > 1:
        yield '"configs" has more than one default'
    for config in configs:
        files = config.get("data_files", [])
        for part in files if isinstance(files, list) else [files]:
            if not isinstance(part, str) and not (isinstance(part, dict) and {"split", "path"} <= set(part)):
                yield f'"data_files" of {config["config_name"]} must be paths, or splits with paths'
