"""The tables and what is built from them: an option or a feature that is added to its table is on every surface."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from typer.testing import CliRunner

from neoxjp import Engine, GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.cli import main
from neoxjp.labs.replay.records import State, capture, from_json, to_json
from neoxjp.labs.sampling_trace.records import FilterStep, trace_of_logits
from neoxjp.labs.sampling_trace.strings import strings
from neoxjp.labs.sampling_trace.view import filter_names, filters
from neoxjp.page_parts.strings import PREFIX, Strings, option_strings, translations
from neoxjp.sampling import OPTIONS, SamplingParams
from tests.support.extra import FEATURE, MORE_FEATURES, MORE_OPTIONS, MoreParams
from tests.support.loops import awaited

ROWS = {option.name for option in MORE_OPTIONS}
NOT_SAMPLING = {"do_sample", "deadline_s", "eos_token_id"}  # fields of SamplingParams that are no sampling options


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What a page with an extra option and an extra feature has."""
    code = [sys.executable, "-m", "tests.support.extra"]
    done = subprocess.run(code, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def saved(folder: Path, params: SamplingParams) -> State:
    """A generation of three tokens with these parameters."""
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(folder, dtype="float32")
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(folder)
    request = Engine(model, tokenizer).submit(tokenizer.encode("猫"), params)
    list(request)
    return capture(request, model, tokenizer, "tiny")


def test_an_extra_option_and_an_extra_feature_are_on_the_page(page):
    assert {"option-extra", "lab-extra", "extra-field"} <= set(page["ids"])
    sent = translations([FEATURE.module("strings").STRINGS], MORE_OPTIONS).translations_dict
    assert sent["ja"][PREFIX + "option_extra"] == "追加のオプション"
    assert sent["en"][PREFIX + "option_extra_help"] == "What the extra option does."
    assert sent["en"][PREFIX + "extra_tab"] == "Extra"


def test_the_page_has_one_control_for_each_row_and_no_other(page):
    controls = {id for id in page["ids"] if id and id.startswith("option-")}
    assert controls == {"option-" + name.replace("_", "-") for name in ROWS}


def test_the_sampling_trace_has_one_slider_for_each_filter_and_no_other(page):
    prefix = next(id for id in page["ids"] if id and id.endswith("-typical-p") and not id.startswith("option-"))
    prefix = prefix.removesuffix("typical-p")
    filters = {prefix + option.name.replace("_", "-") for option in MORE_OPTIONS if option.stage}
    assert prefix + "extra" in filters
    assert filters <= set(page["ids"])


def test_an_extra_filter_is_named_after_its_option_in_the_sampling_trace():
    for lang, name in (("ja", "追加のオプション 0.25"), ("en", "Extra option 0.25")):
        t = Strings(strings.table | option_strings(MORE_OPTIONS)).words(lang)
        names = filter_names(MoreParams(extra=0.25), t, MORE_OPTIONS)
        assert names["extra"] == name
        record = trace_of_logits(torch.tensor([1.0, 0.5]), SamplingParams(top_k=0), [])
        record = replace(record, stages=(*record.stages, FilterStep("extra", 1, 0.5)))
        assert name in filters(record, names, t)


def test_an_extra_option_is_a_parameter_of_each_endpoint_that_samples_and_an_extra_feature_has_its_endpoint(page):
    for name in ("generate", "sampling_trace", "extra"):
        assert page["endpoints"][name]["extra"] == 0.5, name


def test_no_endpoint_that_samples_has_an_option_without_a_row(page):
    own = {
        "generate": {"prompt", "truncate", "top", "ids"},
        "sampling_trace": {"prompt", "ids", "continuation", "position", "show"},
        "extra": {"text"},
    }
    for name, parameters in own.items():
        assert set(page["endpoints"][name]) == ROWS | parameters, name


def test_endpoints_have_the_recommended_defaults(page):
    for option in MORE_OPTIONS:
        expected = None if option.kind == "strings" else option.recommended
        assert page["endpoints"]["generate"][option.name] == expected, option.name


def test_an_extra_feature_is_a_tool_with_every_option():
    from mcp import Client

    from neoxjp.page_parts.session.playground import Playground
    from neoxjp.ui.mcp import mcp_server

    async def listed() -> dict[str, Any]:
        async with Client(mcp_server(Playground(options=MORE_OPTIONS), MORE_FEATURES)) as client:
            return {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}

    tools = awaited(listed)
    for name in ("generate", "sampling_trace", "extra"):
        assert tools[name].keys() >= ROWS, name
    assert tools["extra"]["extra"]["default"] == 0.5


def test_a_link_restores_every_row_and_an_extra_feature(page):
    assert ["extra", "field"] in page["linked"]
    assert {name for section, name in page["linked"] if section == "generate"} == ROWS | {"truncate"}


def test_a_replay_file_holds_an_extra_option(tiny_folder):
    state = saved(tiny_folder, MoreParams(max_new_tokens=3, extra=0.25))
    assert json.loads(to_json(state))["params"]["extra"] == 0.25
    assert from_json(to_json(state), MoreParams) == state


def test_a_replay_file_holds_every_row_and_no_other_option(tiny_folder):
    held = json.loads(to_json(saved(tiny_folder, SamplingParams(max_new_tokens=3))))["params"]
    assert set(held) - NOT_SAMPLING == {option.name for option in OPTIONS}


def options_of(name: str) -> set[str]:
    """The flags of a command, with the extra option and the extra feature."""
    group = typer.main.get_command(main.build(MORE_FEATURES, MORE_OPTIONS))
    command = group.commands[name]  # type: ignore[attr-defined]
    return {flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")}


def test_the_command_line_has_an_extra_option_and_an_extra_feature():
    flags = {option.flag for option in MORE_OPTIONS}
    assert flags <= options_of("generate")
    assert flags <= options_of("extra")
    shown = CliRunner().invoke(main.build(MORE_FEATURES, MORE_OPTIONS), ["generate", "--help"]).output
    assert "--extra" in shown
    assert "What the extra option does." in shown
    assert "extra" in CliRunner().invoke(main.build(MORE_FEATURES, MORE_OPTIONS), ["--help"]).output


def test_the_command_line_has_the_recommended_defaults():
    group = typer.main.get_command(main.build(MORE_FEATURES, MORE_OPTIONS))
    defaults = {parameter.name: parameter.default for parameter in group.commands["extra"].params}  # type: ignore[attr-defined]
    for option in MORE_OPTIONS:
        assert defaults[option.name] == (None if option.kind == "strings" else option.recommended), option.name
    assert set(defaults) - {"help"} == ROWS
