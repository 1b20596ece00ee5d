"""The request router of Ray Serve: `PrefixRouter` over its replicas. Only Ray imports this file."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ray.serve.request_router import PendingRequest, ReplicaID, ReplicaResult, RequestRouter, RunningReplica

from neoxjp.engine import PrefixRouter


class PrefixRequestRouter(RequestRouter):
    """Sends a prompt, the first argument of a call, to the replica that has computed its beginning, else to the least busy."""

    def initialize_state(self, **options: Any) -> None:
        self._prefixes = PrefixRouter[ReplicaID](**options)
        self._sent: dict[str, tuple[asyncio.Future[Any], ReplicaID]] = {}  # our requests that have not ended, by their id

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        replicas = {each.replica_id: each for each in candidate_replicas}
        ids, busy = _ids(pending_request), self._busy(list(replicas))
        ranked = self._prefixes.rank(ids, busy)
        if ranked and pending_request is not None:
            # Remembered before it is sent: requests that come together must see each other.
            self._sent[pending_request.metadata.internal_request_id] = pending_request.future, ranked[0]
            self._remember(pending_request, ranked[0])
        return [[replicas[each]] for each in ranked]

    def on_request_routed(self, pending_request: PendingRequest, replica_id: ReplicaID, result: ReplicaResult) -> None:
        known = self._sent.get(pending_request.metadata.internal_request_id)
        if known is not None and known[1] != replica_id:  # the first one did not take it
            self._sent[pending_request.metadata.internal_request_id] = pending_request.future, replica_id
            self._remember(pending_request, replica_id)

    def on_request_completed(self, replica_id: ReplicaID, internal_request_id: str) -> None:
        self._sent.pop(internal_request_id, None)

    def on_replica_actor_died(self, replica_id: ReplicaID) -> None:
        super().on_replica_actor_died(replica_id)
        self._prefixes.forget(replica_id)

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        for replica_id in set(self.curr_replicas) - {each.replica_id for each in replicas}:
            self._prefixes.forget(replica_id)
        super().update_replicas(replicas)

    def _remember(self, request: PendingRequest, replica_id: ReplicaID) -> None:
        if request.metadata.is_streaming:  # other calls look up what a text has left behind, and leave nothing
            self._prefixes.routed(_ids(request), replica_id)

    def _busy(self, replicas: list[ReplicaID]) -> dict[ReplicaID, int]:
        """How many requests each replica has: ours, or the number it reported last, where other servers send some, too."""
        for request, (future, _) in list(self._sent.items()):
            if future.cancelled():  # before it was sent
                del self._sent[request]
        ours = Counter(replica for _, replica in self._sent.values())
        random.shuffle(replicas)  # several servers choose at the same time
        return {each: max(ours[each], self.replica_queue_len_cache.get(each) or 0) for each in replicas}


def _ids(request: PendingRequest | None) -> Sequence[int]:
    """The ids of a text that is written, or of which something is looked up; other calls have none."""
    return request.args[0] if request is not None and request.args and isinstance(request.args[0], tuple) else ()
