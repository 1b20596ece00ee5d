"""Templates escape what they insert, and hold no lone surrogate."""

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from neoxjp.labs.common.templates import environment, render


def t(key: str, **values: object) -> str:
    return f"[{key}]"


def test_a_template_escapes_what_it_inserts():
    hostile = "<script>alert(1)</script>${x}"
    assert "<script>" not in render("labs/common/macros.html", "notice", t, sentence=hostile)


def test_lone_surrogates_become_a_replacement_character():
    assert environment().from_string("{{ text }}").render(text="a\ud800b") == "a\ufffdb"


def test_visible_escapes_and_shows_blanks():
    shown = environment().from_string("{{ text|visible }}").render(text="<b> \t")
    assert "<b>" not in shown
    assert "⇥" in shown


def test_markup_stays_as_it_is():
    assert environment().from_string("{{ text }}").render(text=Markup("<b>x</b>")) == "<b>x</b>"


def test_an_unknown_name_is_an_error():
    with pytest.raises(UndefinedError):
        environment().from_string("{{ nothing.here }}").render()
