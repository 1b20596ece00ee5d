"""Gradio's known holes: those of the installed version are closed by settings of ours, and their requests are not answered."""

import csv
from importlib.resources import files

import gradio
import pytest
from packaging.version import Version

from tests.support.http import ask

HOLES = list(csv.DictReader((files("neoxjp.gateway") / "gradio_holes.csv").read_text(encoding="utf-8").splitlines()))
REQUESTS = [hole for hole in HOLES if hole["path"]]


def open_in(version: str) -> list[str]:
    """The holes of a version of Gradio that nothing closes here."""
    inside = [hole for hole in HOLES if Version(hole["first"]) <= Version(version) < Version(hole["fixed"])]
    return [hole["hole"] for hole in inside if not hole["closed_by"]]


def test_the_installed_version_has_no_hole_that_is_open_here():
    assert open_in(gradio.__version__) == []


def test_the_table_knows_which_versions_a_hole_is_in():
    inside = {hole["hole"] for hole in HOLES if Version(hole["first"]) <= Version("6.31.0") < Version(hole["fixed"])}
    assert inside == {"CVE-2026-134825"}
    assert all(Version(hole["first"]) < Version(hole["fixed"]) for hole in HOLES)


@pytest.mark.parametrize("hole", REQUESTS, ids=[hole["hole"] for hole in REQUESTS])
def test_the_request_of_a_hole_is_not_found(public_url: str, hole: dict[str, str]):
    answer = ask(public_url + hole["path"], b"{}" if hole["method"] == "POST" else None, method=hole["method"])
    assert answer.status == 404


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "evil.example"])
def test_the_run_history_answers_nobody_whatever_host_is_named(public_url: str, host: str):
    for path in ("runs", "run-history/buckets", "run-history/records"):
        assert ask(f"{public_url}/gradio_api/{path}", headers={"Host": host}).status in (404, 421)
