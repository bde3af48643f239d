"""Which models there are, and which one runs when none is named."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

from conftest import make_model
from unmixcli.errors import ModelError, UsageError
from unmixcli.models import catalogue
from unmixcli.models.catalogue import (
    Model,
    broken_cards,
    choose_model,
    find_model,
    list_models,
    models_with,
)
from unmixcli.models.chosen import choose
from unmixcli.models.load import load_model, model_settings
from unmixcli.models.weights import sha256

DOCS = Path(__file__).parents[2] / "docs" / "models.md"
BEGIN, END = "<!-- catalogue: begin -->\n\n", "\n<!-- catalogue: end -->"

SCORE = """
[[scores]]
stem = "{stem}"
metric = "SDR"
value = {value}
protocol = "test"
source = "test"
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of our own: three models, of which the best is not installed."""
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path / "user"))
    monkeypatch.setattr(catalogue, "builtin_folder", lambda: tmp_path / "builtin")
    add(tmp_path / "builtin" / "fair", 5.0)
    add(tmp_path / "builtin" / "good", 6.0)
    best = add(tmp_path / "builtin" / "best", 7.0)
    source = '[files.source]\nurl = "https://example.invalid/x"\n'
    card = (best / "model.toml").read_text()
    (best / "model.toml").write_text(re.sub("(sha256 = .*\n)", rf"\1{source}", card))
    (best / "vocals.safetensors").unlink()
    return tmp_path


def add(folder: Path, value: float) -> Path:
    make_model(folder)
    card = folder / "model.toml"
    # Scores stand before the files, so that a source can follow the last of these.
    head, files = card.read_text().split("\n[[files]]", 1)
    card.write_text(head + SCORE.format(stem="vocals", value=value) + "\n[[files]]" + files)
    return folder


def test_best_installed_model_runs_and_a_better_one_is_named(models: Path) -> None:
    choice = choose_model(["vocals"])
    assert choice.model.name == "good"
    assert choice.better is not None
    assert choice.better.name == "best"
    assert choice.command == "unmix models pull best"


def test_nothing_better_is_named_when_the_best_is_here(models: Path) -> None:
    add(models / "user" / "finest", 8.0)
    choice = choose_model(["vocals"])
    assert (choice.model.name, choice.better) == ("finest", None)


def scored(folder: Path, stems: tuple[str, ...], *, protocol: str = "test", **values: float) -> str:
    """A model with these scores; one that is not under `user` is elsewhere. Its name."""
    make_model(folder, stems=stems)
    card = folder / "model.toml"
    head, files = card.read_text().split("\n[[files]]", 1)
    for stem, value in values.items():
        head += SCORE.format(stem=stem, value=value).replace('= "test"', f'= "{protocol}"', 1)
    card.write_text(head + "\n[[files]]" + files)
    if "user" not in folder.parts:
        source = '[files.source]\nurl = "https://example.invalid/x"\n'
        card.write_text(re.sub("(sha256 = .*\n)", rf"\1{source}", card.read_text()))
        for path in folder.glob("*.safetensors"):
            path.unlink()
    return folder.name


BAND = ("vocals", "drums", "accompaniment")
"""The last of them is what is left."""


@pytest.fixture
def band(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue in which one model of three stems is installed."""
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path / "user"))
    monkeypatch.setattr(catalogue, "builtin_folder", lambda: tmp_path / "builtin")
    scored(tmp_path / "user" / "band", BAND, vocals=6.0, drums=5.0, accompaniment=4.0)
    return tmp_path


def test_a_better_model_gives_all_that_is_written(band: Path) -> None:
    """Without a stem asked for, three are written, which a singers' model does not give."""
    singer = scored(band / "builtin" / "singer", ("vocals", "accompaniment"), vocals=11.0)
    assert choose_model(()) == catalogue.Choice(find_model("band"))
    choice = choose_model(["vocals"])
    assert (choice.model.name, choice.better and choice.better.name) == ("band", singer)
    other = scored(band / "builtin" / "other", BAND, vocals=6.0, drums=5.5, accompaniment=4.0)
    choice = choose_model(())
    assert (choice.model.name, choice.better and choice.better.name) == ("band", other)


def test_the_sum_of_the_rest_is_not_compared_with_another_rest(band: Path) -> None:
    """A karaoke of two stems is one estimate, that of three is two."""
    scored(band / "builtin" / "singer", ("vocals", "accompaniment"), vocals=11.0)
    assert choose_model(["karaoke"]).better is None


def test_scores_by_another_protocol_are_not_compared(band: Path) -> None:
    scored(band / "builtin" / "else", BAND, protocol="p", vocals=9.0, drums=9.0, accompaniment=9.0)
    assert choose_model(()).better is None
    assert choose_model(["vocals"]).better is None


def test_a_stem_without_a_score_is_not_compared(band: Path) -> None:
    scored(band / "builtin" / "half", BAND, vocals=9.0, drums=9.0)
    assert choose_model(()).better is None
    assert choose_model(["vocals", "drums"]).better is not None


def test_the_one_that_leads_by_most_is_named(band: Path) -> None:
    for name, vocals in (("good", 7.0), ("best", 8.0), ("fair", 5.0)):
        scored(band / "builtin" / name, BAND, vocals=vocals, drums=5.0, accompaniment=4.0)
    better = choose_model(()).better
    assert better is not None
    assert better.name == "best"


def test_leads_are_counted_in_decibels() -> None:
    by_name = {model.name: model for model in list_models()}
    four = ["vocals", "drums", "bass", "other"]
    lead = by_name["umxl"].lead(by_name["umxhq"], four)
    # README of Open-Unmix: 7.21, 7.15, 6.02, 4.89 against 6.25, 6.04, 5.07, 4.28.
    assert lead == pytest.approx((0.96 + 1.11 + 0.95 + 0.61) / 4)
    assert by_name["umxhq"].lead(by_name["umxl"], four) == pytest.approx(-lead)
    assert by_name["htdemucs"].lead(by_name["umxhq"], four) is None
    roformers = (by_name[f"{name}"] for name in ("melband_roformer_kim", "bs_roformer_viperx_1297"))
    kim, viperx = roformers
    assert kim.lead(viperx, ["vocals", "accompaniment"]) == pytest.approx(10.98 - 10.87)


def test_a_model_of_the_user_hides_a_built_in_one(models: Path) -> None:
    add(models / "user" / "fair", 5.0)
    assert find_model("fair").folder == models / "user" / "fair"
    assert [model.name for model in list_models()] == ["best", "fair", "good"]


def test_the_stems_asked_for_decide(models: Path) -> None:
    make_model(models / "user" / "band", stems=("vocals", "drums", "accompaniment"))
    assert choose_model(["drums"]).model.name == "band"
    assert [model.name for model in models_with("drums")] == ["band"]


def test_unknown_stem_lists_the_known_ones(models: Path) -> None:
    with pytest.raises(UsageError, match="no model has the stem harp; known are accompaniment"):
        choose_model(["harp"])


def test_a_folder_is_a_model(models: Path, small_model: Path) -> None:
    assert find_model(str(small_model)).name == "small"


def test_a_folder_without_a_card_is_none(models: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"holds no model\.toml"):
        find_model(str(tmp_path / "empty"))


def test_a_broken_card_does_not_hide_the_others(models: Path) -> None:
    broken = add(models / "user" / "broken", 9.0)
    (broken / "model.toml").write_bytes(bytes(100))
    assert choose_model(["vocals"]).model.name == "good"
    assert [model.name for model in list_models()] == ["best", "fair", "good"]
    assert [str(broken) in str(error) for error in broken_cards()] == [True]
    with pytest.raises(ModelError, match="cannot be read as a model card"):
        find_model("broken")


def test_backing_names_work_for_every_model_with_vocals(models: Path) -> None:
    make_model(models / "user" / "band", stems=("vocals", "drums", "accompaniment"))
    band = find_model("band")
    assert band.stem_set.weights("karaoke") == {"drums": 1.0, "accompaniment": 1.0}


def test_the_default_runs_even_beside_a_better_one(models: Path) -> None:
    choose("fair")
    assert choose_model(["vocals"]) == catalogue.Choice(find_model("fair"))
    assert choose_model(()) == catalogue.Choice(find_model("fair"))
    choose(None)
    assert choose_model(()).model.name == "good"


def test_a_default_without_the_stems_is_passed_over(models: Path) -> None:
    make_model(models / "user" / "band", stems=("vocals", "drums", "accompaniment"))
    choose("fair")
    assert choose_model(["drums"]).model.name == "band"


def test_a_default_without_vocals_runs_if_no_stem_is_named(models: Path) -> None:
    make_model(models / "user" / "speech", stems=("speech", "accompaniment"))
    choose("speech")
    assert choose_model(()).model.name == "speech"


def test_a_default_that_is_not_here(models: Path) -> None:
    choose("best")
    with pytest.raises(ModelError, match="best: its weights are not here; get it by: unmix models"):
        choose_model(["vocals"])


def test_a_default_that_is_not_known(models: Path) -> None:
    choose("gone")
    with pytest.raises(UsageError, match=r"no model is called 'gone'.*unmix models use --none"):
        choose_model(["vocals"])


def test_nothing_installed_says_how_to_get_the_best(models: Path) -> None:
    for name in ("fair", "good"):
        (models / "builtin" / name / "vocals.safetensors").unlink()
    told = r"no installed model has vocals; best: .*unmix models pull best; .* https://example\.inv"
    with pytest.raises(UsageError, match=told):
        choose_model(["vocals"])


def test_size_and_speed_are_what_the_card_says() -> None:
    assert find_model("umxhq").size == 4 * 35637796
    assert find_model("umx").size is None
    assert find_model("umx").speed is None


def test_every_built_in_card_fits_its_architecture() -> None:
    for model in list_models():
        settings = model_settings(model.card)
        assert settings.stems == model.card.stems
        chunks = settings.chunks
        assert chunks.length - 2 * chunks.context >= 2 * chunks.overlap


def test_the_parameters_of_mdx_cards_are_those_of_the_table() -> None:
    from unmixcli.models.adapters import mdx

    table = mdx._table()
    cards = [model.card for model in list_models() if model.card.architecture == "mdx"]
    assert len(cards) >= 12
    for card in cards:
        facts = table[card.files[0].tail_md5]
        sizes = {key: facts[key] for key in ("dim_f", "dim_t", "n_fft", "compensate")}
        assert card.parameters == sizes
        assert card.chunks.length == 1024 * (facts["dim_t"] - 1)
        assert [stem for stem in card.stems if stem != card.residual] == [facts["primary"]]


def test_umxse_takes_weights_of_its_published_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 kHz mono, 513 bins: the network of the package `openunmix`, loaded strictly."""
    monkeypatch.setitem(sys.modules, "torchaudio", ModuleType("torchaudio"))
    theirs = import_module("openunmix.model")
    card = find_model("umxse").card
    files = []
    for file in card.files:
        net = theirs.OpenUnmix(nb_bins=513, nb_channels=1, hidden_size=256, max_bin=513)
        torch.save(net.state_dict(), tmp_path / file.name)
        stated = {"sha256": sha256(tmp_path / file.name), "sha256_prefix": None, "source": None}
        files.append(file.model_copy(update=stated))
    model = Model(card.model_copy(update={"files": tuple(files)}), tmp_path)
    network = load_model(model, device=torch.device("cpu"))
    assert sum(p.numel() for p in network.parameters()) == 2 * 1_583_622


def docs_table() -> str:
    """The catalogue as the docs show it."""
    rows = ["| model | stems, with SDR in dB | speed | size | licence of the weights |"]
    rows += ["|---|---|---:|---:|---|"]
    for model in list_models():
        card = model.card
        stems = ", ".join(
            f"{stem} {score:.2f}" if (score := card.score(stem)) is not None else stem
            for stem in card.gives
        )
        speed = f"{model.speed:.1f}x" if model.speed else "not measured here"
        size = f"{model.size / 1e6:.0f} MB" if model.size else "not stated"
        terms = "" if card.licence.commercial else "; asked for before the download"
        rows.append(f"| `{model.name}` | {stems} | {speed} | {size} | {card.licence.name}{terms} |")
    return "\n".join(rows) + "\n"


def test_docs_list_every_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change of cards: `UNMIX_WRITE_DOCS=1 pytest tests/models/test_catalogue.py`."""
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path))
    head, rest = DOCS.read_text(encoding="utf-8").split(BEGIN)
    _, tail = rest.split(END)
    if os.environ.get("UNMIX_WRITE_DOCS"):
        DOCS.write_text(head + BEGIN + docs_table() + END + tail, encoding="utf-8")
    assert head + BEGIN + docs_table() + END + tail == DOCS.read_text(encoding="utf-8")


def test_a_model_without_a_score_for_a_stem_is_not_the_best_for_it() -> None:
    by_name = {model.name: model for model in list_models()}
    four = ["drums", "bass", "other", "vocals"]
    six = by_name["htdemucs_6s"]
    assert six.card.score("other") is None
    assert six.score(four) < by_name["htdemucs"].score(four)
    assert six.score(["vocals"]) > 0


def test_what_two_stems_leave_over_is_as_good_as_the_other() -> None:
    by_name = {model.name: model for model in list_models()}
    model = by_name["melband_roformer_kim"]
    assert model.score(["accompaniment"]) == model.score(["vocals"]) > 0
