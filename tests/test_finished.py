from __future__ import annotations

from pathlib import Path

import pytest

from unmixcli.errors import ResourceError
from unmixcli.finished import finished_file, finished_folder, write_text


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_its_name_when_it_is_whole(tmp_path) -> None:
    path = tmp_path / "new" / "a.txt"
    with finished_file(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.name.startswith(".")
    assert path.read_text() == "half"
    assert left(path.parent) == ["a.txt"]


def test_a_failure_leaves_what_was_there(tmp_path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), finished_file(path) as temporary:
        temporary.write_text("new")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert left(tmp_path) == ["a.txt"]


def test_a_folder_is_replaced_whole(tmp_path) -> None:
    path = tmp_path / "f"
    for word in ("one", "two"):
        with finished_folder(path) as temporary:
            (temporary / word).write_text(word)
        assert left(path) == [word]
    with pytest.raises(KeyboardInterrupt), finished_folder(path) as temporary:
        raise KeyboardInterrupt
    assert left(path) == ["two"]
    assert left(tmp_path) == ["f"]


def test_names_of_every_length_are_written(tmp_path) -> None:
    path = tmp_path / ("é" * 127)
    write_text(path, "x")
    assert path.read_text() == "x"


def test_what_refuses_is_named(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"file/a\.txt: cannot be written: .*; try here"):
        write_text(tmp_path / "file" / "a.txt", "x", hint="; try here")
    folder = finished_folder(tmp_path / "file" / "f")
    with pytest.raises(ResourceError, match=r"file/f: cannot be written"), folder:
        pass
