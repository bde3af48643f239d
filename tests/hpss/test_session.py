"""Methods by name: what they give, what they refuse, and that they run at any rate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import Tensor

from conftest import make_model
from unmixcli.dsp.stft import STFTConfig
from unmixcli.errors import UsageError
from unmixcli.hpss.kam import SETTINGS
from unmixcli.hpss.session import (
    CLASSICAL,
    HPSSOptions,
    at_rate,
    open_hpss,
    select_method,
    setting_of,
)
from unmixcli.separation.phase import PHASES, Phase

Sound = Callable[..., Tensor]


def separated(
    mix: Tensor,
    name: str,
    options: HPSSOptions,
    *,
    stems: tuple[str, ...] = (),
    rate: int = 44100,
) -> Tensor:
    choice, plan = select_method(name, options=options, stems=stems)
    session = open_hpss(choice, plan, options=options, device="cpu")
    engine = session.engine(sample_rate=rate, channels=mix.shape[0])
    return torch.cat(list(engine.stream([mix])), dim=-1)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a model that has harmonic and percussive."""
    folder = tmp_path_factory.mktemp("learned") / "learned"
    make_model(folder, stems=("harmonic", "percussive"))
    card = folder / "model.toml"
    card.write_text(card.read_text().replace('residual = "accompaniment"', ""))
    return str(folder)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", ["median", "hpr", "kam-published", "learned"])
def test_stems_sum_to_the_mix(name: str, phase: Phase, learned: str, noise: Sound) -> None:
    mix = noise(12001, channels=2)
    options = HPSSOptions(phase=phase)
    stems = separated(mix, learned if name == "learned" else name, options)
    assert len(stems) == (3 if name == "hpr" else 2)
    torch.testing.assert_close(stems.sum(0), mix, atol=1e-6, rtol=0)
    assert all(stem.std() > 1e-3 for stem in stems)


@pytest.mark.parametrize(
    ("name", "options", "stems"),
    [
        ("median", HPSSOptions(), ("harmonic", "percussive")),
        ("kam", HPSSOptions(), ("harmonic", "percussive")),
        ("kam", HPSSOptions(residual=True), ("harmonic", "percussive", "residual")),
        ("median", HPSSOptions(margin=2.0), ("harmonic", "percussive", "residual")),
        ("hpr", HPSSOptions(margin=1.0), ("harmonic", "percussive", "residual")),
    ],
)
def test_outputs(name: str, options: HPSSOptions, stems: tuple[str, ...]) -> None:
    assert select_method(name, options=options)[1].outputs == stems


def test_nothing_is_left_over_with_the_phase_of_the_mix(noise: Sound) -> None:
    stems = separated(noise(12001), "median", HPSSOptions(residual=True))
    assert stems[2].abs().max() < 1e-6
    assert separated(noise(12001), "median", HPSSOptions("pu", residual=True))[2].std() > 1e-4


def test_phase_is_that_of_the_learned_masks(learned: str, noise: Sound) -> None:
    mix = noise(12001, channels=2)
    stems = [separated(mix, learned, HPSSOptions(phase, residual=True)) for phase in PHASES]
    assert (stems[0][0] - stems[1][0]).abs().max() > 1e-3
    assert (stems[0][0] - stems[2][0]).abs().max() > 1e-3


@pytest.mark.parametrize("phase", PHASES)
def test_a_stereo_model_takes_mono_songs(phase: Phase, learned: str, noise: Sound) -> None:
    stems = separated(noise(12001), learned, HPSSOptions(phase))
    torch.testing.assert_close(stems.sum(0), noise(12001), atol=1e-6, rtol=0)


def test_without_a_phase_the_card_decides(learned: str, noise: Sound, tmp_path: Path) -> None:
    folder = tmp_path / "filtered"
    shutil.copytree(learned, folder)
    card = folder / "model.toml"
    card.write_text(card.read_text() + "\n[wiener]\niterations = 1\n")
    mix = noise(12001, channels=2)
    filtered = separated(mix, str(folder), HPSSOptions())
    assert torch.equal(filtered, separated(mix, learned, HPSSOptions("wiener")))
    plain = separated(mix, str(folder), HPSSOptions("mixture"))
    assert torch.equal(plain, separated(mix, learned, HPSSOptions()))
    assert not torch.equal(plain, filtered)


def test_settings_change_the_transform(noise: Sound) -> None:
    mix = noise(12001)
    given = [separated(mix, "median", HPSSOptions(setting=number))[0] for number in (None, 1, 2)]
    assert all((given[0] - other).abs().max() > 1e-2 for other in given[1:])
    kam = [separated(mix, "kam-published", HPSSOptions(setting=number)) for number in (None, 1)]
    assert torch.equal(*kam)


@pytest.mark.parametrize("rate", [8000, 96000])
def test_any_rate(rate: int, noise: Sound) -> None:
    mix = noise(9001)
    for name in CLASSICAL:
        stems = separated(mix, name, HPSSOptions(), rate=rate)
        torch.testing.assert_close(stems.sum(0), mix, atol=1e-6, rtol=0)


def test_windows_last_as_long_at_high_rates() -> None:
    assert at_rate(SETTINGS[1], 48000) == at_rate(SETTINGS[1], 8000) == SETTINGS[1]
    twice = STFTConfig(n_fft=8192, hop_samples=768, window_samples=4098, window="hamming")
    assert at_rate(SETTINGS[1], 96000) == twice
    assert at_rate(SETTINGS[2], 192000).n_fft == 4 * 4096


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("medain", HPSSOptions(), "--method medain: there are median, hpr, kam, kam-published"),
        ("umxse", HPSSOptions(), "--method umxse: has no stems harmonic and percussive; median"),
        ("kam", HPSSOptions(margin=2.0), "--margin: kam has none; median and hpr have one"),
        ("median", HPSSOptions(margin=0.5), "--margin 0.5: must be a number from 1 to 1000000"),
        ("median", HPSSOptions(margin=float("nan")), "--margin nan"),
        ("hpr", HPSSOptions(setting=1), "--setting: hpr has none; median, kam, kam-published"),
        ("kam", HPSSOptions(setting=3), "--setting 3: there are 1 and 2"),
        ("kam", HPSSOptions(phase="pi"), "--phase pi: there are mixture, pu, wiener"),  # type: ignore[arg-type]
    ],
)
def test_what_is_refused(name: str, options: HPSSOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select_method(name, options=options)


def test_unknown_stem() -> None:
    with pytest.raises(UsageError, match="kam has no stem 'vocals'; it has harmonic, percussive"):
        select_method("kam", options=HPSSOptions(), stems=("vocals",))


def test_learned_models_are_known_by_their_stems(learned: str) -> None:
    choice, plan = select_method(learned, options=HPSSOptions())
    assert choice.model.folder == Path(learned)
    assert plan.outputs == ("harmonic", "percussive")


TRANSFORMS = {
    1: STFTConfig(n_fft=4096, hop_samples=384, window_samples=2049, window="hamming"),
    2: STFTConfig(n_fft=4096, hop_samples=1024, window_samples=4096, window="hamming"),
}


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models of one's own: two of one name, in the two settings."""
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path))
    for name, number in (("hpss-twin", 2), ("hpss-twin-1", 1)):
        make_model(tmp_path / name, stems=("harmonic", "percussive"))
        card = tmp_path / name / "model.toml"
        fields = asdict(TRANSFORMS[number])
        given = "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items())
        text = card.read_text().replace('residual = "accompaniment"', 'residual = "harmonic"')
        card.write_text(text.replace("n_fft = 512\nhop_samples = 128\n", given))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "setting", "found"),
    [
        ("twin", None, "hpss-twin"),
        ("twin", 1, "hpss-twin-1"),
        ("twin", 2, "hpss-twin"),
        ("hpss-twin", 1, "hpss-twin-1"),
        ("twin-1", None, "hpss-twin-1"),
        ("twin-1", 1, "hpss-twin-1"),
    ],
)
def test_a_setting_chooses_the_model_that_has_it(
    twins: Path, name: str, setting: int | None, found: str
) -> None:
    choice, _ = select_method(name, options=HPSSOptions(setting=setting))
    assert choice.model.name == found
    assert setting_of(choice.model.card) == (setting or (1 if found.endswith("-1") else 2))


def test_a_folder_has_the_setting_of_its_card(twins: Path) -> None:
    folder = str(twins / "hpss-twin-1")
    choice, _ = select_method(folder, options=HPSSOptions(setting=1))
    assert choice.model.folder == Path(folder)
    with pytest.raises(UsageError, match=r"--setting: .*hpss-twin-1 has 1 alone; leave it out"):
        select_method(folder, options=HPSSOptions(setting=2))


def test_the_transform_decides_not_the_name(twins: Path) -> None:
    """A model whose name ends in the number of a setting has it only by its card."""
    shutil.rmtree(twins / "hpss-twin-1")
    shutil.copytree(twins / "hpss-twin", twins / "hpss-twin-1")
    card = twins / "hpss-twin-1" / "model.toml"
    card.write_text(card.read_text().replace('"hpss-twin"', '"hpss-twin-1"'))
    with pytest.raises(UsageError, match="--setting: twin has 2 alone"):
        select_method("twin", options=HPSSOptions(setting=1))


def test_a_setting_runs_its_model(twins: Path, noise: Sound) -> None:
    mix = noise(12001, channels=2)
    one, two = (separated(mix, "twin", HPSSOptions(setting=number)) for number in (1, 2))
    torch.testing.assert_close(one.sum(0), mix, atol=1e-6, rtol=0)
    assert (one[0] - two[0]).abs().max() > 1e-3


def test_a_model_that_is_not_here_says_what_to_do(tmp_path: Path) -> None:
    for setting in (None, 1):
        with pytest.raises(UsageError, match="or name the folder of a model that you trained"):
            select_method("no-such-twin", options=HPSSOptions(setting=setting))
    with pytest.raises(UsageError, match="--setting: mdensenet has none; median, kam, kam-pub"):
        select_method("mdensenet", options=HPSSOptions(setting=1))
