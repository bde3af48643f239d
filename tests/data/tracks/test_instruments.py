import pytest

from unmixcli.data.tracks.instruments import medleydb_target, slakh_target


@pytest.mark.parametrize(
    ("instruments", "component", "target"),
    [
        (["female singer"], "melody", "vocals"),
        (["male rapper"], "", "vocals"),
        (["electric bass"], "bass", "bass"),
        (["double bass"], "", "bass"),
        (["tuba"], "bass", "bass"),
        (["drum machine"], "", "drums"),
        (["electric piano"], "", "other"),
        (["piano", "tack piano"], "", "piano"),
        (["piano", "male singer"], "", "other"),
        (["drum machine"], "bass", "drums"),
        (["crowd"], "", "other"),
        (["an instrument of next year"], "", "other"),
    ],
)
def test_medleydb(instruments: list[str], component: str, target: str) -> None:
    assert medleydb_target(instruments, component=component) == target


@pytest.mark.parametrize(
    ("inst_class", "program", "is_drum", "target"),
    [
        ("Guitar", 24, False, "acoustic_guitar"),
        ("Guitar", 26, False, "electric_guitar"),
        ("Bass", 33, False, "bass"),
        ("Piano", 0, False, "piano"),
        ("Sound Effects", 127, True, "drums"),
        ("Synth Lead", 80, False, "other"),
    ],
)
def test_slakh(inst_class: str, program: int, is_drum: bool, target: str) -> None:
    assert slakh_target(inst_class, program=program, is_drum=is_drum) == target
