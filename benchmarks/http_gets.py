"""
Sends small GETs with one HTTP library, in a fresh process: ``python -m benchmarks.http_gets WAY URL``.

It prints the processor seconds of the library's import and those of 1,000 GETs as JSON. Every way uses one client that
keeps its connections alive. A way that can send several requests at once sends up to 20.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

GETS = 1000
WARM_UP = 100
AT_ONCE = 20


def _requests(library: Any, url: str) -> float:
    with library.Session() as session:
        session.trust_env = False
        return _blocking(lambda: session.get(url, timeout=30).json())


def _requests_in_threads(library: Any, url: str) -> float:
    with library.Session() as session, ThreadPoolExecutor(AT_ONCE) as pool:
        session.trust_env = False
        session.mount("http://", library.adapters.HTTPAdapter(pool_maxsize=AT_ONCE))

        async def get() -> Any:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(pool, lambda: session.get(url, timeout=30).json())

        return asyncio.run(_concurrent(get))


def _aiohttp(library: Any, url: str) -> float:
    async def measure() -> float:
        async with library.ClientSession() as session:

            async def get() -> Any:
                async with session.get(url) as answer:
                    return await answer.json()

            return await _concurrent(get)

    return asyncio.run(measure())


def _httpx(library: Any, url: str) -> float:
    with library.Client(trust_env=False) as client:
        return _blocking(lambda: client.get(url).json())


def _httpx_async(library: Any, url: str) -> float:
    async def measure() -> float:
        async with library.AsyncClient(trust_env=False) as client:

            async def get() -> Any:
                return (await client.get(url)).json()

            return await _concurrent(get)

    return asyncio.run(measure())


WAYS: dict[str, tuple[str, Callable[[Any, str], float]]] = {
    "requests": ("requests", _requests),
    "httpx": ("httpx", _httpx),
    "httpx2": ("httpx2", _httpx),
    "aiohttp, async": ("aiohttp", _aiohttp),
    "httpx, async": ("httpx", _httpx_async),
    "httpx2, async": ("httpx2", _httpx_async),
    "requests, in threads": ("requests", _requests_in_threads),
}


def _blocking(get: Callable[[], Any]) -> float:
    for _ in range(WARM_UP):
        get()
    began = time.process_time()
    for _ in range(GETS):
        get()
    return time.process_time() - began


async def _concurrent(get: Callable[[], Awaitable[Any]]) -> float:
    async def several(number: int) -> None:
        for _ in range(number // AT_ONCE):
            await get()

    await asyncio.gather(*(several(WARM_UP) for _ in range(AT_ONCE)))
    began = time.process_time()
    await asyncio.gather(*(several(GETS) for _ in range(AT_ONCE)))
    return time.process_time() - began


def main(way: str, url: str) -> None:
    """Measure one way, and print the figures."""
    name, measure = WAYS[way]
    before = len(sys.modules)
    began = time.process_time()
    library = import_module(name)
    import_s = time.process_time() - began
    modules = len(sys.modules) - before
    cpu_s = measure(library, url)
    print(json.dumps({"import_s": import_s, "modules": modules, "cpu_s": cpu_s, "version": library.__version__}))


if __name__ == "__main__":
    main(*sys.argv[1:])
