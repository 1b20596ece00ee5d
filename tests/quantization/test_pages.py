"""Packed weights in huge pages: the same numbers, and ordinary memory where the system has none."""

import copy
import json
import mmap
import pickle

import pytest
import torch

from neoxjp.cli.main import main
from neoxjp.model import KVCache
from neoxjp.quantization import Int8Weight
from neoxjp.quantization.kernels import NativeUnavailable, NativeWeight, build, pages
from neoxjp.quantization.kernels.pages import PAGE, empty_in_huge_pages, huge_pages_refusal

OFFERED = pytest.mark.skipif(huge_pages_refusal() is not None, reason=str(huge_pages_refusal()))


@OFFERED
def test_a_long_cache_begins_with_a_huge_page_and_a_longer_copy_too():
    cache, new = KVCache(1, "float16"), torch.randn(8, 2000, 64)
    for length in (2000, 2300):
        rows = new[:, : length - cache.length]
        keys, values = cache.update(0, rows, rows)
        cache.advance(length - cache.length)
        (buffer,) = cache.reserve(length, new, 1)
        assert buffer.data_ptr() % PAGE == 0
    assert torch.equal(keys[0, :, :2000], new.half().float())
    assert torch.equal(values[0, :, 2000:], new[:, :300].half().float())


@OFFERED
@pytest.mark.parametrize("dtype", [torch.float16, torch.uint8])
@pytest.mark.parametrize("beyond", [0, 5, 70_000])
def test_a_tensor_in_huge_pages_begins_with_one_and_can_be_copied(dtype, beyond):
    tensor = torch.arange(2 * PAGE + beyond).remainder(100).to(dtype).view(1, -1)
    found = empty_in_huge_pages(tuple(tensor.shape), dtype).copy_(tensor)
    assert torch.equal(found, tensor)
    assert (found.dtype, found.is_contiguous(), found.data_ptr() % PAGE) == (dtype, True, 0)
    for again in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert torch.equal(again, tensor)
        assert again.untyped_storage().nbytes() == tensor.nbytes


def test_where_the_system_refuses_ordinary_memory_is_used(monkeypatch):
    class Refusing(mmap.mmap):
        def madvise(self, *_):
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(pages.mmap, "mmap", Refusing)
    found = empty_in_huge_pages((2, PAGE), torch.uint8)
    assert found.fill_(7).sum() == 14 * PAGE


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("always [madvise] never\n", None),
        ("[always] madvise never\n", None),
        ("always madvise [never]\n", "switched off by the system"),
        (None, "no transparent huge pages"),
    ],
)
def test_the_reason_is_given_also_by_doctor(monkeypatch, tmp_path, capsys, content, reason):
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        pytest.skip("only Linux has them")
    if content is not None:
        (tmp_path / "enabled").write_text(content)
    monkeypatch.setattr(pages, "_ENABLED", tmp_path / "enabled")
    found = huge_pages_refusal()
    assert found is None if reason is None else reason in found
    assert empty_in_huge_pages((3, PAGE), torch.uint8).fill_(1).sum() == 3 * PAGE
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["huge pages"] == (found or "for packed weights")


@pytest.mark.parametrize("quantized", [False, True])
def test_a_large_product_is_the_same_with_and_without_them(quantized):
    try:
        kernels = build.library()
    except NativeUnavailable as refused:
        pytest.skip(f"not built here: {refused}")
    weight = torch.randint(-60, 60, (2064, 2100), dtype=torch.int8)
    one = NativeWeight(Int8Weight(weight, torch.full((2064,), 0.01)) if quantized else weight.half())
    x, found = torch.randn(6, 2100), []
    try:
        for on in (0, 1):
            kernels.neoxjp_use_huge_pages(on)
            found += [one.multiply(x), torch.cat([one.multiply(row[None]) for row in x])]
    finally:
        kernels.neoxjp_use_huge_pages(huge_pages_refusal() is None)
    assert all(torch.equal(each, found[0]) for each in found)
