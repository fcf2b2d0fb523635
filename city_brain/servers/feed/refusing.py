"""Refusals as gRPC statuses: one table of codes, one decorator for calls."""

import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from city_brain.errors import StoreError
from city_brain.feeds.refusals import Reason, RefusedError

logger = logging.getLogger(__name__)

ERROR_DOMAIN = "citybrain"

CODES = {
    Reason.UNKNOWN_TYPE: code_pb2.INVALID_ARGUMENT,
    Reason.UNKNOWN_STATE: code_pb2.INVALID_ARGUMENT,
    Reason.UNKNOWN_LEVEL: code_pb2.INVALID_ARGUMENT,
    Reason.UNKNOWN_AREA: code_pb2.INVALID_ARGUMENT,
    Reason.UNKNOWN_LANGUAGE: code_pb2.INVALID_ARGUMENT,
    Reason.BAD_REQUEST: code_pb2.INVALID_ARGUMENT,
    Reason.BAD_PAGE_TOKEN: code_pb2.INVALID_ARGUMENT,
    Reason.NO_SUCH_INCIDENT: code_pb2.NOT_FOUND,
    Reason.HISTORY_GONE: code_pb2.OUT_OF_RANGE,
    Reason.NUMBER_NOT_REACHED: code_pb2.OUT_OF_RANGE,
    Reason.OTHER_FEED: code_pb2.OUT_OF_RANGE,
    Reason.FILTER_CHANGED: code_pb2.OUT_OF_RANGE,
    Reason.NOT_KNOWN: code_pb2.UNAUTHENTICATED,
    Reason.NOT_ALLOWED: code_pb2.PERMISSION_DENIED,
    Reason.SCOPE_CHANGED: code_pb2.OUT_OF_RANGE,
    Reason.BAD_TOKEN: code_pb2.INVALID_ARGUMENT,
    Reason.NO_SUCH_SUBSCRIPTION: code_pb2.NOT_FOUND,
    Reason.NOTHING_KEPT: code_pb2.FAILED_PRECONDITION,
    Reason.NOT_THIS_CITY: code_pb2.PERMISSION_DENIED,
    Reason.NO_SUCH_CITY: code_pb2.NOT_FOUND,
    Reason.NO_SUCH_INSTRUCTION: code_pb2.NOT_FOUND,
    Reason.INSTRUCTION_CHANGED: code_pb2.INVALID_ARGUMENT,
    Reason.OUT_OF_STEP: code_pb2.OUT_OF_RANGE,
    Reason.STORE_FAILS: code_pb2.UNAVAILABLE,
    Reason.LINK_REPLACED: code_pb2.ABORTED,
    Reason.NOT_LIVE: code_pb2.FAILED_PRECONDITION,
    Reason.TOO_LARGE: code_pb2.INVALID_ARGUMENT,
    Reason.QUEUE_FULL: code_pb2.RESOURCE_EXHAUSTED,
    Reason.READER_TOO_SLOW: code_pb2.RESOURCE_EXHAUSTED,
    Reason.TOO_MANY_STREAMS: code_pb2.RESOURCE_EXHAUSTED,
    Reason.SERVER_STOPPING: code_pb2.UNAVAILABLE,
    Reason.NOT_KNOWN: code_pb2.UNAUTHENTICATED,
    Reason.NOT_ALLOWED: code_pb2.PERMISSION_DENIED,
}
"""The gRPC status of each reason."""

MESSAGE_BYTES = 1_000
"""Of a message in UTF-8: it goes into the trailers three times, for which clients take 8 kB."""

Result = TypeVar("Result")
Call = Callable[[Any, Any, Any], Awaitable[Result]]


def status_of(refusal: RefusedError) -> grpc.Status:
    """The rich status of a refusal: ErrorInfo, and BadRequest where a field of the request is at fault."""
    message = _cut(str(refusal))
    info = error_details_pb2.ErrorInfo(reason=refusal.reason, domain=ERROR_DOMAIN, metadata=dict(refusal.facts))
    details = [any_pb2.Any(), any_pb2.Any()] if refusal.field else [any_pb2.Any()]
    details[0].Pack(info)
    if refusal.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=refusal.field, description=message)
        details[1].Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    status = status_pb2.Status(code=CODES[refusal.reason], message=message, details=details)
    return rpc_status.to_status(status)


def _cut(message: str) -> str:
    encoded = message.encode("utf-8", "replace")
    return message if len(encoded) <= MESSAGE_BYTES else encoded[:MESSAGE_BYTES].decode("utf-8", "ignore") + "…"


def refusing(call: Call[Result]) -> Call[Result]:
    """Answers a RefusedError with its rich status, and a store that fails without saying where it is; every other error
    is ours, and gRPC answers UNKNOWN and logs it.
    """

    @functools.wraps(call)
    async def answer(self: Any, request: Any, context: grpc.aio.ServicerContext) -> Result:
        try:
            return await call(self, request, context)
        except RefusedError as refusal:
            await context.abort_with_status(status_of(refusal))
            raise
        except StoreError as wrong:
            logger.error("%s", wrong)
            await context.abort_with_status(status_of(store_fails()))
            raise

    return answer


def store_fails() -> RefusedError:
    """What a caller is told whom the store cannot serve just now; where it is, only the log says."""
    return RefusedError(Reason.STORE_FAILS, "the store of the feed fails; come back later, nothing is lost")
