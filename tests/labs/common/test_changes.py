"""Characters that change, by hand."""

import pytest

from neoxjp.labs.common.changes import changed_characters


@pytest.mark.parametrize(
    ("was", "became", "changed"),
    [
        ("慶應", "慶応", 1),
        ("㈱", "(株)", 1),
        ("\r\n", "\n", 1),
        ("か\u3099", "が", 2),
        ("👨‍👩‍👧", "👶", 5),
        ("é", "��", 1),
        (" ", "", 1),
        ("猫", "猫", 0),
    ],
)
def test_only_the_characters_that_differ_are_counted(was, became, changed):
    assert changed_characters(was, became) == changed
