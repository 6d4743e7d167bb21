"""What runs on the cluster: `Replica`, as many as there are machines for, and one `Ingress`."""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, suppress

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from dlm_core.engine import LocalEngine
from dlm_core.engine.cluster.queue import ClusterQueue, Ticket
from dlm_core.engine.limits import Limits
from dlm_core.engine.remote import METHODS, WAIT, error_of, handle
from dlm_core.lines import is_waiting
from dlm_core.models import load_model
from dlm_core.trace import Trace

_log = logging.getLogger("ray.serve")
BEAT = 0.5  # seconds between two signs of life where there is nothing to send
INGRESS_METHODS = ("about", "header_line")  # answered without weights, so at once


@serve.deployment
class Replica:
    """A model that answers one call at a time."""

    def __init__(self, model: str, revision: str | None, device: str, compiled: bool, limits: Limits) -> None:
        loaded = load_model(model, revision=revision, device=device, compiled=compiled)
        self._engine = LocalEngine(loaded, limits)

    async def __call__(self, method: str, body: bytes) -> AsyncIterator[str]:
        """Yield the lines of an answer, as many at once as there are; an empty one first, when work begins.

        A call that is cancelled ends after the step it is in, in the thread that works on it.
        """
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        put, stop = asyncio.get_running_loop().call_soon_threadsafe, threading.Event()

        def work() -> None:
            try:
                for line in handle(self._engine, method, body, stop):
                    put(lines.put_nowait, line)
            finally:
                put(lines.put_nowait, None)

        working = asyncio.get_running_loop().run_in_executor(None, work)
        try:
            yield WAIT
            more = True
            while more:
                ready = [await lines.get()]
                with suppress(asyncio.QueueEmpty):
                    while True:
                        ready.append(lines.get_nowait())
                more = ready[-1] is not None
                # the engine has a queue of its own, in which a cancelled call may still be finishing a step
                if chunk := "".join(line for line in ready if line is not None and not is_waiting(line)):
                    yield chunk
            await working
        finally:
            stop.set()


@serve.deployment
class Ingress:
    """Checks calls without weights, and keeps the queue of those that a replica has to answer."""

    def __init__(self, replicas: DeploymentHandle, model: str, revision: str | None, limits: Limits) -> None:
        self._engine = LocalEngine(load_model(model, revision=revision, device="meta"), limits)
        self._replicas = replicas.options(stream=True)
        self._queue, self._limits = ClusterQueue(), limits

    async def __call__(self, request: Request) -> Response:
        """Answer a call by HTTP, as `dlm_core.engine.remote` makes it."""
        method = request.url.path.strip("/")
        if method not in METHODS:
            return PlainTextResponse(f"{method[:40]!r} is none of {', '.join(METHODS)}", 404)
        lines = self._lines(method, await request.body())
        return StreamingResponse(lines, media_type="application/x-ndjson")

    async def _lines(self, method: str, body: bytes) -> AsyncIterator[str]:
        if method in INGRESS_METHODS:
            for line in self._here(method, body):
                yield line
            return
        if method == "run":
            (header_line,) = self._here("header_line", body)
            if error_of(header_line):
                yield header_line
                return
            if len(self._queue) >= self._limits.queue:
                yield header_line
                yield Trace.parse(header_line.encode()).finish("error", self._limits.full) + "\n"
                return
        with self._queue.join() as ticket:
            async with aclosing(self._relayed(method, body, ticket)) as relayed:
                async for lines in relayed:
                    yield lines

    def _here(self, method: str, body: bytes) -> Iterator[str]:
        return handle(self._engine, method, body, threading.Event())

    async def _relayed(self, method: str, body: bytes, ticket: Ticket) -> AsyncGenerator[str, None]:
        """Yield what a replica sends, and signs of life where it sends nothing; end early if it is lost."""
        response = self._replicas.remote(method, body)
        coming = asyncio.ensure_future(anext(response))
        try:
            while True:
                if not (await asyncio.wait({coming}, timeout=BEAT))[0]:
                    yield ticket.notice() or WAIT
                    continue
                try:
                    lines = coming.result()
                except StopAsyncIteration:
                    return
                except Exception as error:  # whatever became of the replica, an answer without its end says so
                    _log.warning("a replica was lost while it answered %r: %s", method, str(error).splitlines()[:1])
                    return
                ticket.begin()
                yield lines
                coming = asyncio.ensure_future(anext(response))
        finally:
            coming.cancel()
            response.cancel()
