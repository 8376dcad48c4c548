import re
import shutil

import pytest

from scripts import download_faults


def test_the_table_has_a_cell_for_each_case(monkeypatch, capsys):
    for name, kept in (("FAULTS", ["503", "disk full"]), ("HOSTS", ["CRCNS", "OSF"])):
        monkeypatch.setattr(download_faults, name, {key: getattr(download_faults, name)[key] for key in kept})
    assert download_faults.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| fault | CRCNS | OSF |"
    assert lines[2].count("whole after 3 requests, waited 3 s") == 2
    assert lines[3].count("refused: The disk is full (part kept)") == 2
    assert lines[-2].startswith("Bad files taken: 0 of 4.")
    assert lines[-1].endswith(": 4 of 4.")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_throughput_is_measured_of_both(capsys, tmp_path):
    assert download_faults.main(["--throughput", "--megabytes", "1", "--directory", str(tmp_path)]) == 0
    rows = capsys.readouterr().out.splitlines()[4:]
    assert [re.sub(r"\| \d+", "| N", row) for row in rows] == [
        "| curl | N | N |",
        "| ours, to the last byte | N | N |",
        "| curl, then sync and sha256sum | N | N |",
        "| ours, with fsync and SHA-256 read back | N | N |",
    ]
    assert list(tmp_path.iterdir()) == []
