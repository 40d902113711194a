"""YOLOv8 rebuilt in Keras 3 from the plain arrays of an Ultralytics state dict; knows nothing of torch.

Batch normalisation is folded into the convolutions, so that the graph is convolution, bias, SiLU and little else.
Every size (n, s, m, l, x) and every number of classes is read off the shapes of the arrays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.keras_decode import decode_layer
from detectors.keras_double import doubling_layer
from detectors.runtimes.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras

State = Mapping[str, NDArray[np.float32]]

BN_EPSILON = 1e-3
STRIDES = (8, 16, 32)
HEAD = "model.22"
BOX_SIDES = 4


def class_count(state: State) -> int:
    """The number of classes a YOLOv8 detect head was trained for.

    Raises:
        ModelError: The state dict is not that of a plain YOLOv8 detector.
    """
    check_is_yolov8_detect(state)
    return int(state[f"{HEAD}.cv3.0.2.weight"].shape[0])


def check_is_yolov8_detect(state: State) -> None:
    """Refuse a state dict of any other network (YOLO11, segmentation, pose, …).

    Raises:
        ModelError: With the reason.
    """
    blocks = {int(key.split(".")[1]) for key in state if key.startswith("model.") and key.split(".")[1].isdigit()}
    if blocks != {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 18, 19, 21, 22}:
        raise _not_yolov8("its layers are not those of YOLOv8")
    extra = sorted({key.split(".")[2] for key in state if key.startswith(f"{HEAD}.")} - {"cv2", "cv3", "dfl"})
    if extra:
        raise _not_yolov8(f"its head has more than boxes and classes ({', '.join(extra)})")
    needed = (
        "model.0.conv.weight",
        "model.8.m.0.cv2.conv.weight",
        "model.9.cv2.conv.weight",
        f"{HEAD}.cv2.2.2.weight",
        f"{HEAD}.cv3.0.2.weight",
        f"{HEAD}.dfl.conv.weight",
    )
    missing = [key for key in needed if key not in state]
    if missing:
        raise _not_yolov8(f"{missing[0]} is missing")


def _not_yolov8(reason: str) -> ModelError:
    return ModelError(
        "only plain YOLOv8 detection models (n, s, m, l, x) can be rebuilt for TensorFlow and LiteRT, and this one is "
        f"not: {reason}; use the runtime torch, onnxruntime or openvino for it"
    )


def folded(state: State, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel (H, W, in, out) and bias (out,) of one convolution, its batch normalisation folded in.

    Args:
        state: All arrays.
        name: Of a block with ``conv`` (and ``bn`` unless already fused), or of a bare convolution.

    Raises:
        KeyError: An array is missing.
    """
    conv = name if f"{name}.weight" in state else f"{name}.conv"
    kernel = state[f"{conv}.weight"].astype(np.float64).transpose(2, 3, 1, 0)
    if f"{name}.bn.weight" not in state:
        return kernel.astype(np.float32), state[f"{conv}.bias"].astype(np.float32)
    mean, variance = state[f"{name}.bn.running_mean"], state[f"{name}.bn.running_var"].astype(np.float64)
    gain = state[f"{name}.bn.weight"] / np.sqrt(variance + BN_EPSILON)
    bias = state[f"{name}.bn.bias"] - mean * gain
    kernel = kernel * gain
    return kernel.astype(np.float32), bias.astype(np.float32)


def _reason(error: KeyError | ValueError) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error).splitlines()[0]


class _Builder:
    """Lays the blocks of YOLOv8 over Keras tensors, taking each one's sizes from the state dict."""

    def __init__(self, state: State) -> None:
        from keras import layers

        self.state = state
        self.layers = layers

    def conv(self, x: Any, name: str, stride: int = 1, activation: str | None = "silu") -> Any:
        kernel, bias = folded(self.state, name)
        size = kernel.shape[0]
        label = name.replace(".", "_")
        if stride == 2:  # TensorFlow's "same" would pad the other side than torch does
            x = self.layers.ZeroPadding2D(size // 2, name=f"{label}_pad")(x)
        layer = self.layers.Conv2D(
            kernel.shape[3],
            size,
            strides=stride,
            padding="valid" if stride == 2 else "same",
            activation=activation,
            name=label,
        )
        y = layer(x)
        layer.set_weights([kernel, bias])
        return y

    def c2f(self, x: Any, name: str, shortcut: bool) -> Any:
        x = self.conv(x, f"{name}.cv1")
        last = x[..., x.shape[-1] // 2 :]
        parts = [x]
        depth = 0
        while f"{name}.m.{depth}.cv1.conv.weight" in self.state:
            inner = self.conv(last, f"{name}.m.{depth}.cv1")
            inner = self.conv(inner, f"{name}.m.{depth}.cv2")
            last = self.layers.Add()([last, inner]) if shortcut else inner
            parts.append(last)
            depth += 1
        return self.conv(self.layers.Concatenate()(parts), f"{name}.cv2")

    def sppf(self, x: Any, name: str) -> Any:
        parts = [self.conv(x, f"{name}.cv1")]
        for _ in range(3):
            parts.append(self.layers.MaxPooling2D(5, strides=1, padding="same")(parts[-1]))
        return self.conv(self.layers.Concatenate()(parts), f"{name}.cv2")

    def up_and_join(self, x: Any, skip: Any) -> Any:
        return self.layers.Concatenate()([self.double(x), skip])

    def double(self, x: Any) -> Any:
        """Each pixel becomes 2x2 of the same."""
        return self.layers.UpSampling2D(2, interpolation="nearest")(x)

    def branch(self, x: Any, name: str) -> Any:
        x = self.conv(x, f"{name}.0")
        x = self.conv(x, f"{name}.1")
        return self.conv(x, f"{name}.2", activation=None)


class _SizelessBuilder(_Builder):
    """The same without any arithmetic on sizes, so that LiteRT's delegates take the network whole at any size."""

    def double(self, x: Any) -> Any:
        return doubling_layer()(x)


def build(state: State) -> keras.Model:
    """Rebuild a YOLOv8 detector.

    Args:
        state: The state dict of an Ultralytics YOLOv8 n, s, m, l or x detector as float32 arrays, batch
            normalisation fused or not (keys such as ``model.0.conv.weight``).

    Returns:
        A model from (N, H, W, 3) float32 RGB in [0, 1], H and W multiples of 32, to (N, 4 + C, A) float32: centre x,
        centre y, width and height in pixels of the input, and C class probabilities, for A = H·W·21/1024 anchors.

    Raises:
        ModelError: The state dict is not that of a plain YOLOv8 detector.
        RuntimeUnavailableError: Keras or TensorFlow is not installed, or Keras is set to another backend.
    """
    check_is_yolov8_detect(state)
    return _model(_import_keras(), _Builder(state), (None, None), _head)


def build_heads(state: State, size: tuple[int, int]) -> keras.Model:
    """Rebuild a YOLOv8 detector that ends in its raw heads, for LiteRT.

    Args:
        state: As for ``build``.
        size: (height, width) of the pictures in pixels, multiples of 32.

    Returns:
        A model from (1, H, W, 3) float32 RGB in [0, 1] to nine outputs: (1, h, w, 4·R) logits of the distances for the
        strides 8, 16 and 32, then (1, h, w, C) logits of the classes, then (1, h, w) the largest of these.
        ``detectors.families.yolo_heads`` decodes them.

    Raises:
        ModelError: The state dict is not that of a plain YOLOv8 detector.
        RuntimeUnavailableError: Keras or TensorFlow is not installed, or Keras is set to another backend.
    """
    check_is_yolov8_detect(state)
    bins = state[f"{HEAD}.dfl.conv.weight"].reshape(-1)
    if not np.array_equal(bins, np.arange(len(bins))):
        raise _not_yolov8("its distances are not spread over 0, 1, 2, …")
    return _model(_import_keras(), _SizelessBuilder(state), size, _heads_and_best)


def _model(
    keras: Any,
    b: _Builder,
    size: tuple[int | None, int | None],
    head: Callable[[_Builder, tuple[Any, Any, Any]], Any],
) -> keras.Model:
    picture = keras.Input((*size, 3), batch_size=None if None in size else 1, name="picture")
    try:
        outputs = head(b, _neck(b, *_backbone(b, picture)))
    except (KeyError, ValueError) as error:
        raise _not_yolov8(f"its arrays do not fit together ({_reason(error)})") from error
    return keras.Model(picture, outputs, name="yolov8")


def _import_keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import_tensorflow()
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeUnavailableError(
            f"Keras is set to the backend {keras.backend.backend()}; set KERAS_BACKEND=tensorflow"
        )
    return keras


def _backbone(b: _Builder, x: Any) -> tuple[Any, Any, Any]:
    x = b.conv(b.conv(x, "model.0", stride=2), "model.1", stride=2)
    x = b.c2f(x, "model.2", shortcut=True)
    p3 = b.c2f(b.conv(x, "model.3", stride=2), "model.4", shortcut=True)
    p4 = b.c2f(b.conv(p3, "model.5", stride=2), "model.6", shortcut=True)
    p5 = b.c2f(b.conv(p4, "model.7", stride=2), "model.8", shortcut=True)
    return p3, p4, b.sppf(p5, "model.9")


def _neck(b: _Builder, p3: Any, p4: Any, p5: Any) -> tuple[Any, Any, Any]:
    up4 = b.c2f(b.up_and_join(p5, p4), "model.12", shortcut=False)
    out3 = b.c2f(b.up_and_join(up4, p3), "model.15", shortcut=False)
    join = b.layers.Concatenate()
    out4 = b.c2f(join([b.conv(out3, "model.16", stride=2), up4]), "model.18", shortcut=False)
    join = b.layers.Concatenate()
    out5 = b.c2f(join([b.conv(out4, "model.19", stride=2), p5]), "model.21", shortcut=False)
    return out3, out4, out5


def _head(b: _Builder, levels: tuple[Any, Any, Any]) -> Any:
    bins = b.state[f"{HEAD}.dfl.conv.weight"].reshape(-1)
    return decode_layer(bins, STRIDES)(_raw_heads(b, levels))


def _raw_heads(b: _Builder, levels: tuple[Any, Any, Any]) -> list[Any]:
    boxes = [b.branch(x, f"{HEAD}.cv2.{i}") for i, x in enumerate(levels)]
    scores = [b.branch(x, f"{HEAD}.cv3.{i}") for i, x in enumerate(levels)]
    return [*boxes, *scores]


def _heads_and_best(b: _Builder, levels: tuple[Any, Any, Any]) -> list[Any]:
    """Raw heads, and the largest logit of each cell: found here while it is in the caches, by all threads."""
    import keras

    heads = _raw_heads(b, levels)
    return [*heads, *(keras.ops.max(classes, axis=-1) for classes in heads[len(levels) :])]
