"""What strangers sent to the running server to hurt it, or those who use it beside them. Each request goes over the wire."""

from collections.abc import Callable

import pytest

from tests.serve.conftest import Answer


@pytest.mark.parametrize("fields", [{"echo": True}, {"return_token_ids": True, "prompt_logprobs": None, "echo": True}])
def test_an_answer_does_not_repeat_a_long_prompt_many_times(complete: Callable[..., Answer], fields: dict[str, object]) -> None:
    answer = complete(prompt=[1234] * 249_000, max_tokens=0, n=128, **fields)  # 446 MB, once
    assert answer.status == 400
    assert answer.error["param"] == "echo"
    assert "lower n" in answer.error["message"]
    assert complete(prompt=[1234] * 1_000, max_tokens=0, n=128, echo=True).status == 200
