"""The TensorFlow runtime: what it loads, how it answers, and what bad files and wishes get."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import ultralytics
from ultralytics.nn.tasks import load_checkpoint

from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.keras_yolov8 import build
from detectors.runtimes.tensorflow_import import import_tensorflow
from detectors.runtimes.tensorflow_runtime import TensorFlowRuntime
from detectors.runtimes.tensorflow_session import _cpu_computes_bf16
from detectors.saved_model import save_saved_model

ROOT = Path(__file__).resolve().parents[2]
BUS = Path(ultralytics.__file__).parent / "assets" / "bus.jpg"


def bus(height: int, width: int) -> np.ndarray:
    picture = cv2.resize(cv2.imread(str(BUS)), (width, height))
    return np.ascontiguousarray(picture[None, ..., ::-1]).astype(np.float32) / 255


@pytest.fixture(scope="module")
def keras_model(models_dir: Path) -> object:
    module = load_checkpoint(str(models_dir / "yolov8n.pt"))[0].float().eval()
    return build({key: value.numpy() for key, value in module.state_dict().items()})


@pytest.fixture(scope="module")
def saved(keras_model: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache") / "deep" / "yolov8n"
    save_saved_model(keras_model, folder)
    return folder


@pytest.fixture(scope="module")
def runtime(saved: Path) -> Iterator[TensorFlowRuntime]:
    runtime = TensorFlowRuntime.load_saved_model(saved, device="cpu")
    yield runtime
    runtime.close()


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    """A frozen graph that doubles its uint8 input, and counts its rows."""
    tf = import_tensorflow()
    with tf.Graph().as_default() as graph:
        pictures = tf.compat.v1.placeholder(tf.uint8, (None, None, None, 3), name="image_tensor")
        tf.multiply(tf.cast(pictures, tf.float32), 2.0, name="twice")
        tf.identity(tf.shape(pictures)[0], name="rows")
    path = tmp_path / "graph.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def assert_one_sentence(error: pytest.ExceptionInfo[Exception], *parts: object) -> None:
    text = str(error.value)
    assert "\n" not in text
    for part in parts:
        assert str(part) in text


@pytest.mark.parametrize(("batch", "height", "width"), [(1, 384, 640), (2, 96, 160), (1, 64, 32)])
def test_saved_model_answers_like_the_keras_model(
    runtime: TensorFlowRuntime, keras_model: object, batch: int, height: int, width: int
) -> None:
    pictures = np.repeat(bus(height, width), batch, axis=0)
    outputs = runtime.run(pictures)
    assert len(outputs) == 1
    assert outputs[0].dtype == np.float32
    assert outputs[0].shape == (batch, 84, height * width * 21 // 1024)
    np.testing.assert_allclose(outputs[0], keras_model(pictures).numpy(), rtol=1e-3, atol=5e-3)  # type: ignore[operator]


def test_outputs_stay_when_the_batch_memory_is_used_again(runtime: TensorFlowRuntime) -> None:
    batch = bus(64, 64)
    first = runtime.run(batch)[0]
    copy = first.copy()
    batch[:] = 0
    runtime.run(batch)
    np.testing.assert_array_equal(first, copy)


def test_batch_that_does_not_fit_is_refused_with_the_reason(runtime: TensorFlowRuntime, saved: Path) -> None:
    with pytest.raises(ModelError) as error:
        runtime.run(np.zeros((1, 33, 64, 3), np.float32))
    assert_one_sentence(error, saved, "(1, 33, 64, 3)", "must be equal")


def test_it_says_what_it_is(runtime: TensorFlowRuntime) -> None:
    assert (runtime.name, runtime.device, runtime.precision) == ("tensorflow", "cpu", "fp32")


def test_auto_takes_what_is_there(saved: Path) -> None:
    gpus = import_tensorflow().config.list_physical_devices("GPU")
    runtime = TensorFlowRuntime.load_saved_model(saved)
    assert runtime.device == ("gpu:0" if gpus else "cpu")
    runtime.close()
    runtime.close()


def test_saving_replaces_and_leaves_nothing_else(saved: Path, keras_model: object) -> None:
    (saved / "stale").write_text("left by an older version")
    save_saved_model(keras_model, saved)
    assert not (saved / "stale").exists()
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_unwritable_place_is_named(keras_model: object, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ModelError) as error:
        save_saved_model(keras_model, tmp_path / "file" / "model")
    assert_one_sentence(error, tmp_path / "file" / "model")


def test_absent_gpu_is_refused_with_what_is_there(saved: Path) -> None:
    for device in ("gpu:99", "cuda:99", "mps", "toaster"):
        with pytest.raises(RuntimeUnavailableError) as error:
            TensorFlowRuntime.load_saved_model(saved, device=device)
        assert_one_sentence(error, device, "auto, cpu")


@pytest.mark.parametrize("precision", ["fp16", "int8", ""])
def test_unknown_precision_is_refused_with_what_is_there(saved: Path, precision: str) -> None:
    with pytest.raises(RuntimeUnavailableError) as error:
        TensorFlowRuntime.load_saved_model(saved, device="cpu", precision=precision)
    assert_one_sentence(error, repr(precision), "fp32")


def test_bf16_is_used_and_close_where_the_cpu_has_it(saved: Path, runtime: TensorFlowRuntime) -> None:
    if not _cpu_computes_bf16():
        with pytest.raises(RuntimeUnavailableError, match="available: fp32"):
            TensorFlowRuntime.load_saved_model(saved, device="cpu", precision="bf16")
        return
    half = TensorFlowRuntime.load_saved_model(saved, device="cpu", precision="bf16")
    batch = bus(640, 480)
    exact, rough = runtime.run(batch)[0], half.run(batch)[0]
    seen = exact[0, 4:].max(axis=0) > 0.5
    difference = np.abs(exact - rough)[0][:, seen]
    assert half.precision == "bf16"
    assert difference.max() > 1e-3
    assert difference[:4].max() < 8
    assert difference[4:].max() < 0.15
    half.close()
    np.testing.assert_array_equal(runtime.run(batch)[0], exact)


def test_frozen_graph_returns_outputs_in_the_order_asked(frozen: Path) -> None:
    runtime = TensorFlowRuntime.load_frozen_graph(frozen, "image_tensor", ("rows", "twice"), device="cpu")
    rows, twice = runtime.run(np.full((2, 3, 5, 3), 7, np.uint8))
    assert int(rows) == 2
    assert twice.shape == (2, 3, 5, 3)
    assert (twice == 14).all()
    with pytest.raises(ModelError) as error:
        runtime.run(np.zeros((2, 3), np.uint8))
    assert_one_sentence(error, frozen, "(2, 3)")
    runtime.close()


def test_graph_without_the_nodes_is_refused(frozen: Path) -> None:
    with pytest.raises(ModelError) as error:
        TensorFlowRuntime.load_frozen_graph(frozen, "image_tensor", ("detection_boxes", "rows"), device="cpu")
    assert_one_sentence(error, frozen, "detection_boxes")


@pytest.mark.parametrize("content", [b"", b"not a graph\n" * 40, None], ids=["empty", "text", "truncated"])
def test_damaged_graph_is_refused(frozen: Path, content: bytes | None) -> None:
    frozen.write_bytes(frozen.read_bytes()[:-20] if content is None else content)
    with pytest.raises(ModelError) as error:
        TensorFlowRuntime.load_frozen_graph(frozen, "image_tensor", ("twice",), device="cpu")
    assert_one_sentence(error, frozen)


def test_missing_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        TensorFlowRuntime.load_frozen_graph(tmp_path / "none.pb", "image_tensor", ("twice",), device="cpu")


def test_folder_that_is_no_saved_model_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ModelError) as error:
            TensorFlowRuntime.load_saved_model(folder, device="cpu")
        assert_one_sentence(error, folder, "saved_model.pb")


@pytest.mark.parametrize("content", [b"", b"not a model\n" * 40, None], ids=["empty", "text", "truncated"])
def test_damaged_saved_model_is_refused(saved: Path, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "saved_model.pb"
    file.write_bytes((saved / "saved_model.pb").read_bytes()[:100_000] if content is None else content)
    with pytest.raises(ModelError) as error:
        TensorFlowRuntime.load_saved_model(tmp_path, device="cpu")
    assert_one_sentence(error, tmp_path)


def test_saved_model_of_another_family_is_refused(saved: Path) -> None:
    with pytest.raises(ModelError) as error:
        TensorFlowRuntime.load_saved_model(saved, device="cpu", outputs=("detection_boxes", "num_detections"))
    assert_one_sentence(error, saved, "predictions", "detection_boxes")


def test_serving_needs_neither_torch_nor_keras_and_is_quiet(saved: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from detectors.runtimes.tensorflow_runtime import TensorFlowRuntime\n"
        f"runtime = TensorFlowRuntime.load_saved_model(Path({str(saved)!r}), device='cpu')\n"
        "print(runtime.run(np.zeros((1, 64, 64, 3), np.float32))[0].shape)\n"
        "print('torch' in sys.modules, 'ultralytics' in sys.modules, 'detectors.keras_yolov8' in sys.modules)\n"
        "print('kept', file=sys.stderr)\n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["(1, 84, 84)", "False False False"]
    assert done.stderr == "kept\n"


def test_torch_can_compile_after_tensorflow_was_loaded() -> None:
    """Triton's LLVM, loaded after TensorFlow's, used to end the process with a segmentation fault."""
    code = (
        "from detectors.runtimes.tensorflow_import import import_tensorflow; import_tensorflow(); "
        "import torch._dynamo; print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr
