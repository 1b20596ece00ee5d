"""Which replica gets a prompt: one that has computed its beginning, unless it is too busy; else the least busy.

Knows neither Ray nor HTTP: replicas are any keys, prompts are ids. The idea is that of SGLang's cache-aware router, which has a
tree of texts; here are hashes of blocks, as in vLLM's prefix cache: the hash of a block covers all blocks before it.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

from neoxjp.errors import ParameterError

Replica = TypeVar("Replica", bound=Hashable)
HOLDERS = 4  # replicas remembered for one block, the latest ones


class PrefixRouter(Generic[Replica]):
    """Remembers which replica got which blocks of ids. Not thread-safe; the same calls give the same answers.

    router = PrefixRouter[str]()
    replica = router.rank(ids, {"a": 2, "b": 0})[0]  # requests that each replica has
    router.routed(ids, replica)
    """

    def __init__(self, *, block: int = 16, slack: float = 8.0, max_blocks: int = 200_000):
        """
        Args:
            block: ids that are compared at once; shorter common beginnings are not seen.
            slack: how many requests more than the least busy a replica may have that computed the whole prompt; one that
                computed a part of it may have this part of the number. About as many as a replica runs at once: `neoxjp bench
                router` loses cached tokens with less.
            max_blocks: blocks that are remembered, about 370 bytes each; the least recently used are forgotten.

        Raises:
            ParameterError: a number is out of its range.
        """
        for name, value, least in (("block", block, 1), ("slack", slack, 0), ("max_blocks", max_blocks, 1)):
            if not value >= least:
                raise ParameterError(f"{name}={value!r} must be at least {least}")
        self.block, self.slack, self.max_blocks = block, slack, max_blocks
        self._holders: OrderedDict[int, dict[Replica, None]] = OrderedDict()  # hash of a block → who has it, latest last

    def __len__(self) -> int:
        """The number of remembered blocks."""
        return len(self._holders)

    def rank(self, ids: Sequence[int], busy: Mapping[Replica, int]) -> list[Replica]:
        """The replicas of `busy` (replica → its number of requests), best first; [] if there are none.

        Equally busy replicas keep the order of `busy`: shuffle it where several routers choose at the same time.
        """
        by_load = sorted(busy, key=lambda replica: busy[replica])
        found = self._reader(ids, busy)
        return by_load if found is None else [found, *(replica for replica in by_load if replica != found)]

    def routed(self, ids: Sequence[int], replica: Replica) -> None:
        """Remember that `replica` got this prompt."""
        for block in self._hashes(ids):
            holders = self._holders.setdefault(block, {})
            self._holders.move_to_end(block)
            holders.pop(replica, None)
            holders[replica] = None
            if len(holders) > HOLDERS:
                del holders[next(iter(holders))]
        while len(self._holders) > self.max_blocks:
            self._holders.popitem(last=False)

    def forget(self, replica: Replica) -> None:
        """Forget a replica that has ended: its cache is gone."""
        for block, holders in list(self._holders.items()):
            holders.pop(replica, None)
            if not holders:
                del self._holders[block]

    def _reader(self, ids: Sequence[int], busy: Mapping[Replica, int]) -> Replica | None:
        """The replica that has computed the longest beginning of the prompt among those that are not too busy for it."""
        known = []
        for block in self._hashes(ids):
            holders = self._holders.get(block)
            if holders is None:
                break
            known.append(holders)
        least = min(busy.values(), default=0)
        for number in range(len(known), 0, -1):
            most = least + self.slack * number * self.block / len(ids)
            able = [replica for replica in reversed(known[number - 1]) if busy.get(replica, most + 1) <= most]
            if able:
                return min(able, key=lambda replica: busy[replica])
        return None

    def _hashes(self, ids: Sequence[int]) -> list[int]:
        """The hash of each complete block, which covers all ids up to its end."""
        numbers, hashes, before = iter(ids), [], 0
        for _ in range(len(ids) // self.block):
            before = hash((before, *islice(numbers, self.block)))
            hashes.append(before)
        return hashes
