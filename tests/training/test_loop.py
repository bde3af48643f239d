from __future__ import annotations

import csv

import pytest
import torch
from safetensors.torch import load_file

from unmixcli.errors import InputError, ResourceError, UsageError
from unmixcli.training import events
from unmixcli.training.loop import learning_rate
from unmixcli.training.recipe import Schedule
from unmixcli.training.run import Place, check, train


@pytest.fixture
def run(tmp_path, recipe):
    """Train in a folder of tmp_path; the events that were told."""

    def start(*changes, name="out", resume=False, stop_after=None):
        told: list[events.Event] = []

        def stop() -> bool:
            return stop_after is not None and told[-1].step >= stop_after

        place = Place(tmp_path / name, tmp_path, torch.device("cpu"), "a recipe")
        outcome = train(recipe(*changes), place, resume=resume, listener=told.append, stop=stop)
        return outcome, told

    return start


def weights(folder):
    content = torch.load(folder / "last.pt", weights_only=True)
    return {**content["weights"], **{f"ema {k}": v for k, v in content["state"]["ema"].items()}}


@pytest.mark.parametrize(
    "changes",
    [
        (),
        ("optimiser.ema=0.0", "optimiser.accumulate=2"),
        ("schedule.decay=cosine", "optimiser.name=adamw", "excerpts.workers=1"),
    ],
)
def test_four_steps_are_two_a_checkpoint_and_two_more(tmp_path, run, changes) -> None:
    run(*changes, name="whole")
    _, told = run(*changes, name="parts", stop_after=2)
    assert told[-1] == events.Ended(2, "stopped", False)
    outcome, _ = run(*changes, name="parts", resume=True)
    assert (outcome.step, outcome.finished) == (4, True)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    logs = [(tmp_path / name / "log.csv").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]


class Killed(BaseException):
    """As a power cut: nothing in the program expects it."""


def test_a_kill_costs_no_more_than_the_steps_since_the_checkpoint(tmp_path, recipe, run) -> None:
    def die(event: events.Event) -> None:
        if isinstance(event, events.Stepped) and event.step == 3:
            raise Killed

    run("checkpoint_every=2", name="whole")
    place = Place(tmp_path / "killed", tmp_path, torch.device("cpu"))
    with pytest.raises(Killed):
        train(recipe("checkpoint_every=2"), place, listener=die)
    assert torch.load(place.folder / "last.pt", weights_only=True)["state"]["step"] == 2
    run("checkpoint_every=2", name="killed", resume=True)
    whole, parts = weights(tmp_path / "whole"), weights(place.folder)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_training_learns(run) -> None:
    outcome, _ = run("schedule.steps=150", "validation.every=150", "optimiser.learning_rate=0.01")
    assert outcome.score > 10


def test_the_best_validated_weights_are_exported(tmp_path, run) -> None:
    _, told = run("validation.every=1")
    validated = [event for event in told if isinstance(event, events.Validated)]
    assert len(validated) == 4
    best = max(validated, key=lambda event: event.score)
    content = torch.load(tmp_path / "out" / "best.pt", weights_only=True)
    assert content["state"]["step"] == best.step
    exported = load_file(tmp_path / "out" / "model" / "model.safetensors")
    # What is validated is the average of the weights.
    for name, value in exported.items():
        assert torch.equal(value, content["state"]["ema"][f"model.network.{name}"])


def test_without_gain_it_stops(run) -> None:
    outcome, told = run(
        "schedule.steps=100",
        "validation.every=1",
        "schedule.stop_after=3",
        "optimiser.learning_rate=1e-30",
        "optimiser.ema=0.0",
    )
    # The batch norms' statistics still move, so the score may for a while.
    assert outcome.step < 100
    assert told[-1].reason == "no gain in 3 validations"


def test_validation_names_targets_by_their_stems(run) -> None:
    _, told = run("data.hold_out=2")
    event = next(event for event in told if isinstance(event, events.Validated))
    # Songs 1, 3 and 5 are held out; song 1 groups its drums with the rest.
    assert set(event.targets) == {"vocals", "drums", "other", "drums_other"}


def test_a_loss_that_is_not_finite_stops_and_says_what_to_do(tmp_path, run) -> None:
    with pytest.raises(ResourceError, match=r"lower optimiser\.learning_rate"):
        run("optimiser.learning_rate=1e30", "schedule.steps=50", "optimiser.clip=0.0")


@pytest.mark.parametrize(
    ("changes", "resume", "error", "words"),
    [
        ((), False, UsageError, "holds a training; go on by --resume"),
        (("seed=8",), True, UsageError, "was made with another seed"),
        (("loss.si_sdr=1", "excerpts.batch=3"), True, UsageError, "another excerpts and loss"),
    ],
)
def test_folders_are_not_mixed_up(run, changes, resume, error, words) -> None:
    run()
    with pytest.raises(error, match=words):
        run(*changes, resume=resume)


def test_a_longer_schedule_and_other_threads_may_go_on(run) -> None:
    run()
    outcome, _ = run("schedule.steps=5", "excerpts.workers=1", resume=True)
    assert outcome.step == 5


def test_nothing_to_resume(run) -> None:
    with pytest.raises(InputError, match="holds no checkpoint"):
        run(resume=True)


def test_a_damaged_checkpoint(tmp_path, run) -> None:
    run()
    path = tmp_path / "out" / "last.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="is no checkpoint that can be read"):
        run(resume=True)


def test_check_measures_and_leaves_nothing(tmp_path, recipe) -> None:
    place = Place(tmp_path / "out", tmp_path, torch.device("cpu"))
    measured = check(recipe(), place)
    assert not (tmp_path / "out").exists()
    assert (measured.tracks, measured.validation) == (4, 2)
    assert measured.hours == pytest.approx(8 / 3600)
    assert measured.excerpt_s == pytest.approx(31 * 128 / 8000)
    # 1 -> 8 -> 12 -> 16 and 16 -> 12 -> 8 -> 2, with norms.
    assert measured.parameters > 1000
    assert 0 < measured.data_s < 60
    assert 0 < measured.step_s < 60


def test_unknown_losses_and_networks_are_usage_errors(run) -> None:
    with pytest.raises(UsageError, match="l3 is no loss; there are l1_magnitude"):
        run("loss.l3=1")
    with pytest.raises(UsageError, match="'unet_stem' is not known"):
        run("network.architecture=unet_stem")
    with pytest.raises(UsageError, match="'openunmix' cannot be trained here"):
        run("network.architecture=openunmix")
    with pytest.raises(UsageError, match=r"network\.parameters"):
        run("network.parameters.bins=0")


def test_the_log_holds_losses_and_scores(tmp_path, run) -> None:
    run("schedule.steps=20", "validation.every=10")
    with (tmp_path / "out" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["step"] for row in rows} == {"10", "20"}
    assert {"loss", "loss/l1_magnitude", "rate", "SI-SDRi", "SI-SDRi/vocals"} <= {
        row["what"] for row in rows
    }


def test_learning_rates() -> None:
    warm = Schedule(steps=110, warmup=10, decay="cosine")
    assert learning_rate(0, 1.0, warm) == pytest.approx(0.1)
    assert learning_rate(9, 1.0, warm) == pytest.approx(1.0)
    assert learning_rate(60, 1.0, warm) == pytest.approx(0.5)
    assert learning_rate(110, 1.0, warm) == pytest.approx(0.0, abs=1e-9)
    plateau = Schedule(decay="plateau", factor=0.25)
    assert learning_rate(5, 1.0, plateau, drops=2) == pytest.approx(1 / 16)
    assert learning_rate(5, 1.0, Schedule()) == 1.0
