"""What a token that passes through Ray Serve costs its ingress: `python -m tests.bench.ray_stream` where ray is installed.

An engine that computes nothing streams tokens to an ingress, one by one or eight in a list.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import Any

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # listen on 127.0.0.1

import psutil
import ray
from ray import serve

TOKEN = {"text": "猫", "id": 1234, "finish": None}


class Engine:
    async def stream(self, ids: list[int], items: int, tokens: int) -> AsyncIterator[list[dict[str, Any]]]:
        for _ in range(items):
            yield [TOKEN] * tokens


class Ingress:
    def __init__(self, engine: Any):
        self.engine = engine.options(stream=True)

    async def measure(self, streams: int, items: int, tokens: int) -> tuple[float, float]:
        """Tokens per second, and microseconds of this process's processor time for each."""

        async def read() -> int:
            return sum([len(some) async for some in self.engine.stream.remote(list(range(500)), items, tokens)])

        await read()
        process, began = psutil.Process(), time.perf_counter()
        used = sum(process.cpu_times()[:2])
        count = sum(await asyncio.gather(*(read() for _ in range(streams))))
        return count / (time.perf_counter() - began), (sum(process.cpu_times()[:2]) - used) / count * 1e6


def main() -> None:
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100_000_000, logging_level="error", log_to_driver=False)
    engine, ingress = (serve.deployment(max_ongoing_requests=100)(each) for each in (Engine, Ingress))
    handle = serve.run(ingress.bind(engine.bind()), route_prefix=None)
    for streams, items, tokens in ((1, 2000, 1), (8, 500, 1), (32, 200, 1), (8, 2000, 8)):
        rate, micros = handle.measure.remote(streams, items, tokens).result()
        print(f"{streams} streams, {tokens} tokens an item: {rate:,.0f} tokens/s, {micros:.0f} µs each", flush=True)
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
