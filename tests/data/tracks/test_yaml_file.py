import sys
from pathlib import Path

import pytest

from unmixcli.data.tracks.yaml_file import read_yaml
from unmixcli.errors import InputError, ResourceError


def test_a_mapping(tmp_path: Path, text) -> None:
    assert read_yaml(text(tmp_path / "a.yaml", "a: {1: [x, 0.5]}\n")) == {"a": {1: ["x", 0.5]}}


@pytest.mark.parametrize("content", ["- 1\n", "", "a: [", "a: !!python/object:os.system x\n"])
def test_something_else(tmp_path: Path, text, content: str) -> None:
    with pytest.raises(InputError, match=r"a\.yaml"):
        read_yaml(text(tmp_path / "a.yaml", content))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.yaml cannot be read"):
        read_yaml(tmp_path / "gone.yaml")


def test_without_pyyaml(tmp_path: Path, text, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ResourceError, match=r"pip install 'unmixcli\[eval\]'"):
        read_yaml(text(tmp_path / "a.yaml", "a: 1\n"))
