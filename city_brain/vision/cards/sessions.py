"""Sessions of ONNX Runtime, from bytes that were checked, so that no file can be swapped in between."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from city_brain.errors import ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(
    data: bytes, place: str, threads: int = 1, providers: Sequence[str] = ("CPUExecutionProvider",)
) -> "InferenceSession":
    """A session that takes `threads` threads and says nothing of its own; raises ModelError where it does not load."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=list(providers))
    except Exception as wrong:
        told = str(wrong).splitlines()
        raise ModelError(f"{place}: wanted a network that loads, got {(told or [''])[0][:300]}") from wrong
