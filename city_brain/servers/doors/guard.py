"""Stands before every call: only whom the policy lets gets past, and long calls end when their rights change."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.servers.doors.denials import Denials
from city_brain.servers.doors.peers import peer_of
from city_brain.servers.doors.permissions import OPEN, PERMISSIONS
from city_brain.servers.doors.policy import Caller

Context: TypeAlias = grpc.aio.ServicerContext
Admit: TypeAlias = Callable[[Context, str], Caller]
"""Who calls, where it has a permission; raises RefusedError."""
StatusOf: TypeAlias = Callable[[RefusedError], grpc.Status]


class OpenCall:
    """A stream that goes on, and the rights that it began with; the context of whatever serves it."""

    __slots__ = ("caller", "context", "ended", "permission", "valid_until_s")

    def __init__(self, context: Context, permission: str, caller: Caller) -> None:
        self.context, self.permission, self.caller = context, permission, caller
        peer = peer_of(context)
        self.valid_until_s = peer.valid_until_s if peer else math.inf
        self.ended: asyncio.Future[RefusedError] = asyncio.get_running_loop().create_future()
        """Why it ends before it is done."""

    def end(self) -> None:
        """Ends it, for its rights are no longer those that it began with."""
        if not self.ended.done():
            message = "rights: they are not what they were when this call began; start again from a snapshot"
            self.ended.set_result(RefusedError(Reason.SCOPE_CHANGED, message))

    def __getattr__(self, name: str) -> Any:
        """All else of a context is that of gRPC: a behaviour is given this call in its place."""
        return getattr(self.context, name)

    async def write(self, message: Any) -> None:
        """Writes a message; once the call is ended no further one, however soon its tasks hear of that."""
        if self.ended.done():
            await asyncio.Event().wait()
        await self.context.write(message)


class Guard(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Asks `admit` before each call is handled; a call that is not declared is refused whoever calls.

    `cut_wait_s`: how long a stream that is ended may take to hear of it; one whose client reads nothing is left behind.
    """

    def __init__(self, admit: Admit, denials: Denials, status_of: StatusOf, cut_wait_s: float) -> None:
        self._admit = admit
        self._denials = denials
        self._status_of = status_of
        self._cut_wait_s = cut_wait_s
        self._open: set[OpenCall] = set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """The handler of a call behind the guard."""
        handler = await continuation(handler_call_details)
        call = handler_call_details.method
        permission = PERMISSIONS.get(call)
        if handler is None or permission == OPEN:
            return handler
        return _with_behaviour(handler, lambda behaviour: self._guarded(behaviour, handler, call, permission))

    def admitted(self, context: Context, call: str) -> Caller:
        """Who calls, where it may; a refusal is counted, and raised."""
        permission = PERMISSIONS.get(call)
        with self.counting(context, call):
            if permission is None:
                raise RefusedError(Reason.NOT_ALLOWED, f"{call}: wanted a call that says what it takes, it does not")
            return self._admit(context, permission)

    def must(self, context: Context, call: str, caller: Caller, permission: str) -> None:
        """A call that takes a further permission, for what its request asks; a refusal is counted, and raised."""
        with self.counting(context, call):
            caller.must(permission)

    @contextlib.contextmanager
    def counting(self, context: Context, call: str) -> Iterator[None]:
        """Counts what is refused meanwhile."""
        try:
            yield
        except RefusedError as refusal:
            self._denials.add(refusal, call, peer_of(context), context.peer())
            raise

    @contextlib.contextmanager
    def opened(self, call: OpenCall) -> Iterator[None]:
        """Looks after a stream meanwhile: `call.ended` says when its rights are no longer what they were."""
        self._open.add(call)
        try:
            yield
        finally:
            self._open.discard(call)

    def recheck(self) -> int:
        """Ends the streams whose callers have other rights than they began with; returns how many those are."""
        ended = 0
        for call in self._open:
            try:
                changed = self._admit(call.context, call.permission) != call.caller
            except RefusedError:
                changed = True
            if changed:
                call.end()
                ended += 1
        return ended

    def end_expired(self, now_s: float) -> None:
        """Ends the streams whose callers' certificates have expired at this instant, epoch seconds."""
        for call in self._open:
            if call.valid_until_s < now_s:
                call.end()

    def _guarded(
        self, behaviour: Callable[..., Any], handler: grpc.RpcMethodHandler, call: str, permission: str | None
    ) -> Callable[..., Awaitable[Any]]:
        async def unary(request: Any, context: Context) -> Any:
            await self._let_in(context, call)
            if isinstance(request, _Unreadable):
                await context.abort_with_status(self._status_of(request.refusal))
            return await behaviour(request, context)

        async def stream(request: Any, context: Context) -> None:
            caller = await self._let_in(context, call)
            told = OpenCall(context, permission or "", caller)
            if isinstance(request, _Unreadable):
                await context.abort_with_status(self._status_of(request.refusal))
            await self._stream(told, _streamed(behaviour, request, told))

        guarded = stream if handler.response_streaming else unary

        async def reading(requests: Any, context: Context) -> Any:
            return await guarded(_Requests(requests), context)

        return reading if handler.request_streaming else guarded

    async def _let_in(self, context: Context, call: str) -> Caller:
        try:
            return self.admitted(context, call)
        except RefusedError as refusal:
            await context.abort_with_status(self._status_of(refusal))
            raise

    async def _stream(self, call: OpenCall, work: Awaitable[None]) -> None:
        """Works until it is done or ended; the work is a task of its own, for it may be stuck in a write."""
        working = asyncio.ensure_future(work)
        working.add_done_callback(lambda done: done.cancelled() or done.exception())
        with self.opened(call):
            try:
                await asyncio.wait((working, call.ended), return_when=asyncio.FIRST_COMPLETED)
                if not call.ended.done():
                    await working
                    return
                working.cancel()
                # UsageError: the work had begun to end the call by itself, for a reason of its own.
                with contextlib.suppress(TimeoutError, grpc.aio.UsageError):
                    async with asyncio.timeout(self._cut_wait_s):
                        await asyncio.wait((working,))
                        await call.context.abort_with_status(self._status_of(call.ended.result()))
            finally:
                working.cancel()


async def _streamed(behaviour: Callable[..., Any], request: Any, call: OpenCall) -> None:
    """Runs a streaming behaviour of either kind: one that yields messages, or one that writes them itself."""
    answers = behaviour(request, call)
    if not hasattr(answers, "__aiter__"):
        await answers
        return
    async with contextlib.aclosing(answers) as messages:
        async for message in messages:
            await call.write(message)


def _with_behaviour(handler: grpc.RpcMethodHandler, guarded: Callable[..., Any]) -> grpc.RpcMethodHandler:
    asking = "stream" if handler.request_streaming else "unary"
    kind = f"{asking}_{'stream' if handler.response_streaming else 'unary'}"
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(guarded(getattr(handler, kind)), _readable(handler.request_deserializer), handler.response_serializer)


class _Unreadable:
    """In the place of a request that cannot be read: gRPC would answer UNKNOWN, with a class of ours in it."""

    __slots__ = ("refusal",)

    def __init__(self, wanted: str) -> None:
        self.refusal = RefusedError(Reason.BAD_REQUEST, f"request: wanted a {wanted}, got bytes that are none")


def _readable(deserializer: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    if deserializer is None:
        return None

    def read(data: bytes) -> Any:
        try:
            return deserializer(data)
        except DecodeError:
            wanted = getattr(deserializer, "__self__", None)
            return _Unreadable(wanted.DESCRIPTOR.full_name if wanted is not None else "message")

    return read


class _Requests:
    """The requests of a stream; raises RefusedError at one that cannot be read."""

    __slots__ = ("_messages", "_requests")

    def __init__(self, requests: Any) -> None:
        self._requests = requests
        self._messages: AsyncIterator[Any] | None = None

    def __aiter__(self) -> "_Requests":
        return self

    async def __anext__(self) -> Any:
        if self._messages is None:  # not before: gRPC makes a generator here, which nobody ends for a call refused
            self._messages = aiter(self._requests)
        request = await anext(self._messages)
        if isinstance(request, _Unreadable):
            raise request.refusal
        return request
