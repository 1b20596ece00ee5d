"""The endpoint /sampling_trace: what sampling does at one position of a continuation."""

from typing import TYPE_CHECKING, Any

from neoxjp.engine import bos_ids, check_ids
from neoxjp.errors import ParameterError
from neoxjp.labs.sampling_trace.records import SHOWN, StepTrace, trace_position
from neoxjp.labs.sampling_trace.section import logits_reader, store_logits
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.endpoints import Endpoint, Tool, endpoint
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.text.settings import checked, params_of

if TYPE_CHECKING:
    from torch import Tensor


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's action as API: /sampling_trace."""
    reader = logits_reader(playground)

    @endpoint("sampling_trace", needs="model", tool=Tool("Probabilities of the next token"))
    def sampling_trace(
        prompt: str,
        ids: list[int] | None = None,
        continuation: str | None = None,
        position: int = 0,
        show: int = SHOWN,
        **sampling: Any,
    ) -> StepTrace:
        """Trace sampling at one position of a continuation: its candidates, and what each filter removes.

        Args:
            prompt: The text before the continuation.
            ids: The continuation as token ids, as /generate gives them.
            continuation: The continuation as text, instead of `ids`; it is cut into tokens by itself.
            position: Which token of the continuation, counted from 0; the number of its tokens: the one that would come next.
            **sampling: The settings of the generation; without a seed, the drawn token is not given.
            show: The number of candidates by the model's own probability, and by the final one; at most 200.

        Returns:
            A record: position (counted from the beginning of the prompt), stages (name, tokens_left, removed_probability: by the
            model, before any filter), candidates (id, text, logit, probabilities after each stage, removed_by, interval of the
            cumulative sum), others (count, tokens_left, probabilities: of all without a row), written, uniform (the random
            number), drawn, entropy_before and entropy_after (bits), total_removed_probability, stored_logits (whether they are
            the generation's own).
        """
        loaded = playground.ready
        check_length(playground, prompt)
        if ids is not None and continuation is not None:
            raise ParameterError("give the continuation as ids or as text, not both")
        if continuation is not None:
            check_length(playground, continuation)
            ids = loaded.tokenizer.encode(continuation)
        for name, value in (("position", position), ("show", show)):
            if type(value) is not int:
                raise ParameterError(f"{name}={value!r:.40}: expected a whole number")
        params = params_of(checked(sampling), None)
        before = tuple(loaded.tokenizer.encode(prompt)) or bos_ids(loaded.model.config)
        new = check_ids(ids or (), loaded.model.config.vocab_size, "ids")

        def read(history: tuple[int, ...]) -> "tuple[Tensor, bool]":
            store_logits(loaded, reader, history, 1)
            found = loaded.logits.get(history)
            assert found is not None
            return found

        return trace_position(
            loaded.model.config, loaded.tokenizer, before, new, position, params, read=read, seed=params.seed, show=show
        )

    return [sampling_trace]
