"""Rows of ids as one result: truncated, padded, with attention mask, as lists, torch tensors or numpy arrays."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

from neoxjp.errors import ParameterError

Tensors = Literal["pt", "np"]
PaddingSide = Literal["left", "right"]


class Encoding(dict[str, Any]):
    """`input_ids` and `attention_mask`, by key or by attribute; `model.generate(**encoding)` works."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"an Encoding has {', '.join(self)}, not {name!r}") from None

    def to(self, device: Any) -> "Encoding":
        """The same with its tensors on another device; lists and arrays stay as they are."""
        return Encoding({key: value.to(device) if hasattr(value, "to") else value for key, value in self.items()})


def collate(
    rows: Sequence[list[int]],
    *,
    one: bool,
    pad_id: int,
    return_tensors: Tensors | None = None,
    padding: bool | str = False,
    truncation: bool | str = False,
    max_length: int | None = None,
    padding_side: PaddingSide = "right",
    pad_to_multiple_of: int | None = None,
) -> Encoding:
    """Rows of ids as an `Encoding`.

    Args:
        one: the caller gave one text, so lists have no batch dimension.
        return_tensors: int64 tensors ("pt") or arrays ("np") of shape (B, T).
        padding: False or "do_not_pad", True or "longest", "max_length".
        truncation: False or "do_not_truncate", True or "longest_first" or "only_first"; cuts at the end of a row.

    Raises:
        ParameterError: an unknown option, a length without its number, or rows of unequal length in one array.
    """
    _choice("return_tensors", return_tensors, (None, "pt", "np"))
    _choice("padding", padding, (False, True, "longest", "max_length", "do_not_pad"))
    _choice("truncation", truncation, (False, True, "longest_first", "only_first", "do_not_truncate"))
    _choice("padding_side", padding_side, ("left", "right"))
    for name, number in (("max_length", max_length), ("pad_to_multiple_of", pad_to_multiple_of)):
        if number is not None and number < 1:
            raise ParameterError(f"{name}={number!r} must be at least 1")
    if truncation not in (False, "do_not_truncate") and max_length is not None:
        rows = [row[:max_length] for row in rows]
    masks = [[1] * len(row) for row in rows]
    if padding not in (False, "do_not_pad"):
        width = max(map(len, rows), default=0)
        if padding == "max_length":
            if max_length is None:
                raise ParameterError("padding='max_length' needs max_length=, the length in tokens")
            width = max(width, max_length)
        if pad_to_multiple_of:
            width = -(-width // pad_to_multiple_of) * pad_to_multiple_of
        rows = [_pad(row, pad_id, width, padding_side) for row in rows]
        masks = [_pad(mask, 0, width, padding_side) for mask in masks]
    if return_tensors is None:
        return Encoding(input_ids=rows[0] if one else list(rows), attention_mask=masks[0] if one else masks)
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise ParameterError(
            f"the rows have {min(widths)} to {max(widths)} tokens and cannot be one array. "
            "Pass padding=True (or encode the texts one by one)."
        )
    shape = (len(rows), widths.pop() if widths else 0)
    return Encoding(input_ids=_array(rows, shape, return_tensors), attention_mask=_array(masks, shape, return_tensors))


def group_texts(texts: Iterable[str], size: int, alone: Callable[[str], bool]) -> Iterator[list[str]]:
    """The texts in order, in groups of about `size` characters; a text for which `alone` is true is a group by itself."""
    group: list[str] = []
    left = size
    for text in texts:
        single = alone(text)
        if group and (single or left < 0):
            yield group
            group, left = [], size
        if single:
            yield [text]
        else:
            group.append(text)
            left -= len(text) + 1
    if group:
        yield group


def _choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise ParameterError(f"{name}={value!r}: choose one of {', '.join(map(repr, choices))}")


def _pad(row: list[int], filler: int, width: int, side: PaddingSide) -> list[int]:
    padding = [filler] * (width - len(row))
    return row + padding if side == "right" else padding + row


def _array(rows: Sequence[list[int]], shape: tuple[int, int], kind: Tensors) -> Any:
    if kind == "np":
        import numpy as np

        return np.array(rows, dtype=np.int64).reshape(shape)
    import torch

    return torch.tensor(rows, dtype=torch.int64).reshape(shape)
