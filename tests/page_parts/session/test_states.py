"""What is kept of a session, and whose session makes room."""

from datetime import datetime, timedelta

import gradio as gr
import pytest
from gradio.state_holder import StateHolder

from neoxjp.page_parts.session import states as session_states
from neoxjp.page_parts.session.states import CLOSED_SECONDS, PageState, SessionStates
from tests.support.loops import in_loop


@pytest.fixture
def page():
    def built():
        with gr.Blocks() as blocks:
            blocks.kept = gr.State(["fresh"], delete_callback=lambda value: value.append("deleted"))
            blocks.text = gr.Textbox()
            blocks.saved = gr.HTML()
        return blocks

    return in_loop(built)


@pytest.fixture
def states(page):
    holder = StateHolder()
    holder.blocks, holder.capacity = page, 4
    return SessionStates.adopt(holder, page)


def test_a_session_that_is_only_named_is_not_created(states, page):
    assert states["somebody"] is states["somebody else"]
    states["somebody"][page.kept._id] = ["changed"]
    states["somebody"]._update_value_in_config(page.text._id, "x" * 10**6)
    assert len(states.session_data) == 0
    assert states["somebody"].state_data == {}
    assert page.text._id in states["somebody"]


def test_an_open_session_keeps_its_state_and_no_values_of_components(states, page):
    opened = states.open("one", "192.0.2.1")
    assert states["one"] is opened
    opened[page.kept._id] = ["changed"]
    opened._update_value_in_config(page.text._id, "x" * 10**6)
    opened[page.text._id] = gr.Textbox(max_lines=3, render=False)
    opened._update_config(page.text._id)
    opened[page.saved._id] = gr.HTML(file={"text": "x" * 10**6}, render=False)
    assert states["one"][page.saved._id] is page.saved  # the browser has it
    assert states["one"][page.kept._id] == ["changed"]
    assert states["one"][page.text._id].max_lines == 3
    assert page.default_config.blocks[page.text._id] is page.text
    assert list(opened.components) == []
    assert isinstance(states.open("two", "192.0.2.1"), PageState)
    assert states["two"][page.kept._id] == ["fresh"]


def test_a_visitor_with_many_sessions_loses_its_own_oldest_one(states, page):
    states.open("honest", "192.0.2.1")
    for number in range(100):
        states.open(f"many{number}", "192.0.2.66")
    assert list(states.session_data) == ["honest", "many97", "many98", "many99"]
    assert set(states.time_last_used) == set(states.addresses) == set(states.session_data)


def test_a_session_that_makes_room_ends_what_its_page_runs(states, page):
    value = states.open("many0", "192.0.2.66")[page.kept._id]
    states["many0"][page.kept._id] = value
    for number in range(1, 5):
        states.open(f"many{number}", "192.0.2.66")
    assert value == ["fresh", "deleted"]


def test_a_closed_page_is_forgotten_after_a_while_and_an_open_one_is_not(states):
    states.open("closed", "192.0.2.1").is_closed = True
    states.open("open", "192.0.2.1")
    states.delete_all_expired_state()
    assert set(states.session_data) == {"closed", "open"}
    for session in states.time_last_used:
        states.time_last_used[session] = datetime.now() - timedelta(seconds=CLOSED_SECONDS + 1)
    states.delete_all_expired_state()
    assert set(states.session_data) == {"open"}


def test_freed_memory_is_returned_to_the_system_once_a_minute(states, monkeypatch):
    calls: list[None] = []
    monkeypatch.setattr(session_states, "give_back_memory", lambda: calls.append(None))
    states.delete_all_expired_state()
    assert not calls
    states.trimmed -= timedelta(seconds=session_states.TRIM_SECONDS + 1)
    for _ in range(3):
        states.delete_all_expired_state()
    assert len(calls) == 1


def test_memory_can_be_returned_on_any_system(monkeypatch):
    session_states.give_back_memory()
    monkeypatch.setattr(session_states.sys, "platform", "win32")
    session_states.give_back_memory()
