"""The table of the wirings: means, spreads, and what is not there."""

from __future__ import annotations

from benchmarks.pitch_wirings import Result, options, recipe, spread, table, verdict
from unmixcli.networks.wired import WIRINGS


def test_spread() -> None:
    assert spread([0.5, 0.7], "OA") == "0.600 ± 0.141"
    assert spread([0.5], "OA") == "0.500"
    assert spread([4.0, 6.0], "SI-SDRi") == "5.00 ± 1.41"
    assert spread([], "RPA") == ""


def test_rows_are_the_wirings_and_cells_what_is_finished() -> None:
    results = [
        Result("source", 0, {"SI-SDRi": 4.0}),
        Result("source", 1, {"SI-SDRi": 6.0}),
        Result("s-p-s-p", 0, {"OA": 0.5, "RPA": 0.6, "SI-SDRi": 5.0}),
    ]
    rows = {
        cells[1]: cells[2:-1]
        for cells in (
            [cell.strip() for cell in line.split("|")]
            for line in table(results, steps=10).splitlines()
            if line.startswith("|")
        )
    }
    assert rows["source"] == ["2", "", "", "5.00 ± 1.41", "", ""]
    assert rows["s-p-s-p"] == ["1", "0.500", "0.600", "5.00", "0.817", "0.851"]
    assert rows["pitch"] == ["0", "", "", "", "0.721", "0.751"]
    assert {name.strip("*") for name in rows} >= set(WIRINGS)


def test_every_wiring_has_a_recipe(tmp_path) -> None:
    given = options().parse_args(["--data", str(tmp_path), "--steps", "7"])
    for wiring in WIRINGS:
        made = recipe(wiring, 2, given)
        assert (made.seed, made.schedule.steps, made.validation.every) == (2, 7, 7)
        assert made.network.parameters["wiring"] == wiring
        assert made.data.pitch == "swiftf0"


def test_a_claim_holds_if_every_seed_says_so() -> None:
    def results(*accuracies: float) -> list[Result]:
        plain = [Result("pitch", seed, {"OA": 0.5}) for seed in range(len(accuracies))]
        return plain + [Result("source-pitch", s, {"OA": a}) for s, a in enumerate(accuracies)]

    assert verdict(results(0.6, 0.75)) == (
        "- source-pitch over pitch: +0.100, +0.250 in OA, as in the thesis (+0.079).\n"
    )
    assert "+0.100, -0.100 in OA, not settled by these seeds" in verdict(results(0.6, 0.4))
    assert "unlike the thesis" in verdict(results(0.4, 0.3))
