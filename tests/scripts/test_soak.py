"""The soak's verdicts: growth is found, noise is not; zombies and left files are counted; sections are renewed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.soak import kills
from scripts.soak.measure import BOUNDS, Sample, Watch, grown, quantile, table, take, verdict
from scripts.soak.report import Part, write


def samples(count: int, **slope: float) -> list[Sample]:
    """A run whose measures begin at round numbers, shake a little, and grow by a slope a sample."""
    begin = {"rss": 500.0, "files": 40, "threads": 30, "zombies": 0, "temporary": 10.0}
    run = []
    for i in range(count):
        values = {name: at + slope.get(name, 0) * i for name, at in begin.items()}
        values["rss"] += i % 2
        run.append(Sample(seconds=i, **values))
    return run


def test_what_does_not_grow_is_flat() -> None:
    assert verdict(samples(100)) == []


@pytest.mark.parametrize("name", BOUNDS)
def test_whatever_grows_beyond_its_bound_is_told(name: str) -> None:
    growing = samples(100, **{name: (BOUNDS[name] + 1) / 40})  # 40 samples lie between the third fifth and the last
    [told] = verdict(growing)
    assert f"{grown(growing, name):.1f}" in told
    assert verdict(samples(100, **{name: -1.0})) == []


def test_what_is_taken_at_the_start_and_kept_is_flat() -> None:
    warm = samples(100)
    cold = [Sample(s.seconds, 100.0, 5, 5, 0, 0.0) for s in warm[:30]]
    assert verdict(cold + warm[30:]) == []


def test_the_table_has_start_end_and_peak() -> None:
    run = [Sample(0, 100, 1, 2, 0, 0.25), Sample(1, 300, 5, 4, 0, 1.5), Sample(2, 200, 3, 2, 0, 0.5)]
    lines = table(run).splitlines()
    assert lines[2].startswith("| RSS of the page (MB) | 100 | 200 | 300 |")
    assert lines[6].startswith("| temporary files (MB) | 0.2 | 0.5 | 1.5 |")


def test_this_process_is_measured(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(2**20))
    before = take(os.getpid(), tmp_path, time.monotonic())
    assert before.temporary == 1.0
    assert before.rss > 10
    with (tmp_path / "b").open("w"), subprocess.Popen([sys.executable, "-c", ""]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has asked how
        after = take(os.getpid(), tmp_path, time.monotonic())
    assert after.files == before.files + 1
    assert after.zombies == before.zombies + 1


def test_a_watch_ends_with_its_process(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "0"]) as child:
        child.wait()
        with Watch(child.pid, tmp_path, every=0.01) as watch:
            pass
    assert watch.samples == []


def test_quantiles_are_values_that_were_met() -> None:
    values = [float(i) for i in range(1, 101)]
    assert (quantile(values, 0.95), quantile(values, 0.5), quantile([3.0], 0.95)) == (95.0, 50.0, 3.0)


def test_files_that_show_somebody_are_found(tmp_path: Path) -> None:
    (tmp_path / "emotalk-own-1" / ".me.work" / "track" / "frames").mkdir(parents=True)
    (tmp_path / "emotalk-own-1" / ".me.work" / "track" / "frames" / "0001.JPG").touch()
    (tmp_path / "emotalk-own-1" / ".me.work" / "job.json").touch()
    (tmp_path / "app.txt").touch()
    assert len(kills.faces_below(tmp_path)) == 2


def test_a_part_that_is_run_again_renews_its_section_alone(tmp_path: Path) -> None:
    path = tmp_path / "soak.md"
    write(path, [Part("Talks", "first"), Part("Kills", "first", ["a clip was left"])], "soak")
    write(path, [Part("Talks", "second")], "soak --part talks")
    text = path.read_text()
    assert text.startswith("# Soak\n")
    assert text.count("## Talks") == text.count("## Kills") == 1
    assert "second" in text
    assert "**does not hold**: a clip was left." in text
