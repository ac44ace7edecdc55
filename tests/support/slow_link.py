"""A long way to a host: what comes back from it takes its time."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

CHUNK = 1 << 16


@contextmanager
def slow_link(port: int, delay: float) -> Iterator[int]:
    """A port of 127.0.0.1 that leads to another one; what that one says arrives `delay` seconds later."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(timeout=10)

    server = run(_serve(port, delay))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        run(_close(server))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(port: int, delay: float) -> asyncio.Server:
    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_carry(reader, to_there, 0.0), _carry(there, writer, delay))

    return await asyncio.start_server(lead, "127.0.0.1", 0)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Carry what comes, each piece when its time has passed; the end too."""
    due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    clock = asyncio.get_running_loop().time

    async def deliver() -> None:
        while True:
            at, piece = await due.get()
            await asyncio.sleep(at - clock())
            if not piece:
                writer.close()
                return
            writer.write(piece)
            await writer.drain()

    delivering = asyncio.ensure_future(deliver())
    try:
        while piece := await reader.read(CHUNK):
            due.put_nowait((clock() + delay, piece))
    except ConnectionError:
        pass
    due.put_nowait((clock() + delay, b""))
    await asyncio.gather(delivering, return_exceptions=True)


async def _close(server: asyncio.Server) -> None:
    server.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
