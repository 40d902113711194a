"""TensorRT: an engine built from the ONNX form, on the machine and for the GPU that will run it.

Follows the Python API of TensorRT 10; never run, for want of the hardware.
"""

from __future__ import annotations

from pathlib import Path

from detectors.errors import ModelError
from detectors.runtimes.tensorrt_runtime import import_tensorrt


def write_engine(onnx_file: Path, target: Path, half: bool) -> None:
    """Build an engine for one size and a batch of one.

    Args:
        onnx_file: Of ``write_onnx``, with a fixed size.
        target: The engine's file.
        half: Let TensorRT choose fp16 where it is faster.

    Raises:
        ModelError: TensorRT cannot build it.
        RuntimeUnavailableError: TensorRT is not installed.
    """
    trt = import_tensorrt()
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx_file)):
        reason = str(parser.get_error(0)).split("\n")[0][:160]
        raise ModelError(f"TensorRT cannot read {onnx_file} ({reason})")
    config = builder.create_builder_config()
    if half:
        config.set_flag(trt.BuilderFlag.FP16)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ModelError(f"TensorRT cannot build an engine from {onnx_file}; its own message stands above")
    target.write_bytes(bytes(engine))
