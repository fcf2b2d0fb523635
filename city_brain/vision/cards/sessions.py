"""Sessions of ONNX Runtime, from bytes that were checked, so that no file can be swapped in between."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from city_brain.errors import ModelError
from city_brain.types import Column
from city_brain.vision.cards.fitting import SIZES

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def feed(planes: Column, name: str, sizes: bool) -> dict[str, Column]:
    """What a session is given: pictures (n, 3, height, width) and, where it wants that, their size for each."""
    import numpy as np

    fed: dict[str, Column] = {name: planes}
    if sizes:
        fed[SIZES] = np.tile(np.array([[planes.shape[3], planes.shape[2]]], np.int64), (len(planes), 1))
    return fed


def open_session(
    data: bytes, place: str, threads: int = 1, providers: Sequence[str] = ("CPUExecutionProvider",)
) -> "InferenceSession":
    """A session that takes `threads` threads and lets them sleep while there is nothing to do; raises ModelError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=list(providers))
    except Exception as wrong:
        told = str(wrong).splitlines()
        raise ModelError(f"{place}: wanted a network that loads, got {(told or [''])[0][:300]}") from wrong
