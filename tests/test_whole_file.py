import pytest

from deepstrf_hf.errors import OutputDirectoryError
from deepstrf_hf.whole_file import write_whole


def test_it_is_written_with_its_directories(tmp_path):
    path = tmp_path / "new" / "page.html"
    assert write_whole(path, lambda unfinished: unfinished.write_text("new"), "The page") == path
    assert path.read_text() == "new" and [entry.name for entry in path.parent.iterdir()] == ["page.html"]


def test_what_was_there_stays_where_writing_fails(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")

    def fail(unfinished):
        unfinished.write_text("ne")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_whole(path, fail, "The page")
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_what_the_system_refuses_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputDirectoryError, match="The page cannot be written") as caught:
        write_whole(tmp_path / "file" / "page.html", lambda unfinished: unfinished.write_text("new"), "The page")
    assert "allow writing" in str(caught.value)
