"""The page as a browser shows it: headless Chromium runs it, clicks, and tells what it sees."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from evaluation.runs_for_tests import QUICK, Blend, noise, quick_run, stems_of, write_stems
from unmixcli.data.tracks import read_dataset
from unmixcli.evaluation.aggregate import track_values
from unmixcli.evaluation.report import write_report
from unmixcli.evaluation.results import read_run

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

PLOTTED = ("SDR", "SIR", "SAR", "ISR", "SI-SDRi", "global SDR")

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"
)

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=4000",
    "--dump-dom",
)

# Collects errors from before the page's own script to after the clicks.
WATCH = """<script>
window.problems = [];
addEventListener("error", (event) => problems.push(String(event.message ?? event.target)), true);
addEventListener("unhandledrejection", (event) => problems.push(String(event.reason)));
console.error = (...words) => problems.push(words.join(" "));
</script>"""

CLICKS = """<script>
{
const seen = {};
const body = byId("scores").tBodies[0];
const column = (at) => [...body.rows].filter((row) => !row.hidden).map(
  (row) => row.cells[at].textContent);
const heading = (name) => [...document.querySelectorAll("#scores th")].find(
  (th) => th.textContent === name);
const choose = (id, value) => {
  byId(id).value = value;
  byId(id).dispatchEvent(new Event("input"));
};
const sdr = heading("SDR").cellIndex;
seen.rows = body.rows.length;
heading("SDR").firstChild.click();
seen.up = column(sdr);
heading("SDR").firstChild.click();
seen.down = column(sdr);
seen.sort = heading("SDR").getAttribute("aria-sort");
heading("track").firstChild.click();
seen.names = column(0);
choose("filter", "third's VOCALS");
seen.filtered = column(0).concat(column(1));
seen.told = byId("shown").textContent;
choose("filter", "");
choose("only-method", "mixture");
seen.methods = column(2);
choose("only-method", "");
seen.all = column(0).length;
seen.legend = [...document.querySelectorAll(".legend span")].map((entry) => entry.textContent);
seen.boxes = document.querySelectorAll("svg.box rect").length;
const tracks = [...byId("track").options].map((option) => option.text);
choose("track", String(tracks.indexOf("third's")));
choose("stem", "accompaniment");
choose("measure", "ISR");
seen.lines = [...document.querySelectorAll("#time .line")].map((path) => path.getAttribute("d"));
seen.tracks = tracks;
seen.players = [...document.querySelectorAll("#listen audio")].map(
  (player) => player.getAttribute("src"));
const bounds = byId("time").getBoundingClientRect();
byId("time").dispatchEvent(new MouseEvent("click", {
  clientX: bounds.left + bounds.width / 2, clientY: bounds.top + 20 }));
seen.playhead = Number(byId("playhead").getAttribute("x1"));
choose("track", String(tracks.indexOf("quiet")));
seen.alone = byId("time").textContent;
choose("stem", "vocals");
seen.silent = byId("time").textContent;
seen.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
seen.problems = problems;
setTimeout(() => {
  seen.problems = problems;
  const told = document.createElement("pre");
  told.id = "seen";
  told.textContent = JSON.stringify(seen);
  document.body.append(told);
}, 500);
}
</script>"""


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an oracle, audio, a silent stem and names that HTML and URLs must quote."""
    folder = tmp_path_factory.mktemp("page")
    for seed, name in enumerate(("first song", "Ä & <b>", "third's")):
        write_stems(folder / "data" / name, stems_of(seed))
    write_stems(folder / "data" / "quiet", {"vocals": 0 * noise(0), "accompaniment": noise(1)})
    settings = replace(QUICK, oracles=("mixture",), audio=True)
    estimator = Blend(name="</script> <b>")
    quick_run(read_dataset(folder / "data"), folder / "a run", estimator, settings)
    write_report(read_run(folder / "a run"))
    return folder / "a run"


def opened(page: Path, profile: Path) -> tuple[str, str]:
    """The page's elements after its scripts, and what the browser logged."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout, done.stderr


@pytest.fixture
def browse(run_folder: Path, tmp_path: Path) -> Callable[[str], tuple[dict[str, Any], str]]:
    """Open the page with `change` in it, click, and return what was seen and logged."""

    def open_changed(change: str = "") -> tuple[dict[str, Any], str]:
        text = (run_folder / "report.html").read_text(encoding="utf-8")
        text = text.replace("<head>", f"<head>{WATCH}").replace(
            "</body>", f"{change}{CLICKS}</body>"
        )
        page = run_folder / "clicked.html"
        page.write_text(text, encoding="utf-8")
        dom, log = opened(page, tmp_path / "profile")
        found = re.search(r'<pre id="seen">(.*?)</pre>', dom, re.DOTALL)
        assert found is not None, log
        words = found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        return json.loads(words), log

    return open_changed


def values(cells: list[str]) -> list[float]:
    return [float(cell.replace("−", "-")) for cell in cells if cell != "–"]


@needs_chromium
def test_it_renders_sorts_filters_and_plays_without_an_error(
    browse: Callable[[], tuple[dict[str, Any], str]], run_folder: Path
) -> None:
    seen, log = browse()
    assert seen["problems"] == []
    assert "CONSOLE" not in log
    assert seen["rows"] == seen["all"] == 4 * 2 * 2
    assert values(seen["up"]) == sorted(values(seen["up"]))
    assert values(seen["down"]) == sorted(values(seen["down"]), reverse=True)
    assert seen["sort"] == "descending"
    # What has no score comes last in both orders.
    assert seen["up"][-4:] == seen["down"][-4:] == ["–"] * 4
    # Where Ä stands is the browser's affair.
    names = [name for name in seen["names"] if name != "Ä & <b>"]
    assert names == ["first song"] * 4 + ["quiet"] * 4 + ["third's"] * 4
    assert seen["filtered"] == ["third's"] * 2 + ["vocals"] * 2
    assert seen["told"] == "2 rows"
    assert seen["methods"] == ["mixture"] * 8
    assert seen["legend"] == ["</script> <b>", "mixture"] * 2
    # Scores beyond 100 dB are not drawn, such as SAR here: no estimate holds anything else.
    drawn = {
        (target.name, method, measure)
        for method, records in read_run(run_folder).records.items()
        for record in records.values()
        for target in record.targets
        for measure, value in track_values(target).items()
        if abs(value) <= 100 and measure in PLOTTED
    }
    assert ("vocals", "mixture", "SDR") in drawn
    assert seen["boxes"] == len(drawn)
    assert len(seen["lines"]) == 2
    assert all(line.startswith("M") for line in seen["lines"])
    assert seen["playhead"] == pytest.approx(450, abs=1)
    assert seen["alone"] == "everything else is silent: nothing to separate, no scores"
    assert seen["silent"] == "the reference is silent: no scores"
    assert not seen["wide"]


@needs_chromium
def test_the_stems_it_links_are_there(
    browse: Callable[[], tuple[dict[str, Any], str]], run_folder: Path
) -> None:
    seen, _ = browse()
    assert len(seen["players"]) == 3
    assert all((run_folder / unquote(source)).is_file() for source in seen["players"])


@needs_chromium
def test_the_watch_sees_a_broken_page(
    browse: Callable[[str], tuple[dict[str, Any], str]],
) -> None:
    seen, log = browse('<script>console.log("here"); missing();</script>')
    assert any("missing is not defined" in problem for problem in seen["problems"])
    assert "CONSOLE" in log


def test_it_needs_nothing_from_a_network(run_folder: Path) -> None:
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    links = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"|url\(([^)]*)\)|@import', text)
    assert links == []
    addresses = set(re.findall(r'https?://[^\s"\'<)]+', text))
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_names_are_quoted(run_folder: Path) -> None:
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    assert text.count("</script>") == 2
    assert "<b>" not in text.replace("<body>", "")


def test_the_papers_tables_are_on_it(run_folder: Path) -> None:
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    assert "Table 4.3. iKala, mean scores" in text
    assert "14.435" in text
