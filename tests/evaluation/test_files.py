from __future__ import annotations

from pathlib import Path

import pytest

from unmixcli.errors import ResourceError
from unmixcli.evaluation.files import safe_name, score_file, write_text


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("A song - live", "A song - live"),
        ("AC/DC: what?", "AC_DC_ what_"),
        ("../up", "_._up"),
        (".hidden", "_hidden"),
        ("dots...", "dots"),
        ("", "_"),
    ],
)
def test_names_become_one_part_of_a_path(name: str, plain: str) -> None:
    assert safe_name(name) == plain


def test_scores_lie_where_museval_looks(tmp_path: Path) -> None:
    assert score_file(tmp_path, "a") == tmp_path / "test" / "a.json"
    assert score_file(tmp_path, "a", oracle="irm1").match("oracles/irm1/test/a.json")


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "new\udc80")
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="--out"):
        write_text(tmp_path / "file" / "a.json", "")
