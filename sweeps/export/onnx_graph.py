"""A policy as ONNX: the plain graph of its layers, which any ONNX runtime takes.

input "observation" [batch, ...], as the environment gives it; outputs "outputs" float32 [batch, n] and "action", int64
[batch] or float32 [batch, n].
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from suite.deploy.network import (
    KERNEL,
    LAYER_NORM,
    MAX_POOL,
    STANDARDIZE,
    Layer,
    Policy,
    input_shapes,
    output_shape,
    paddings,
)
from suite.errors import UserError
from suite.layers import NORM_EPSILON, Shape

OPSET, IR_VERSION = 17, 8  # of 2022, which runtimes of today and small ones read
INSTALL = "it needs the packages onnx and onnxruntime (pip install onnx onnxruntime)"


def build(policy: Policy, dtype: str, about: Mapping[str, str]) -> bytes:
    """Return a checked ONNX model for observations of `dtype`, with metadata `about`. Raises UserError without onnx."""
    try:
        import onnx
    except ImportError:
        raise UserError(f"ONNX: {INSTALL}") from None
    from onnx import TensorProto, helper

    graph = Graph([], [])
    graph.add("Cast", ["observation"], "floats", to=TensorProto.FLOAT)
    graph.add("Div", ["floats", graph.constant("divided_by", np.array(policy.divided_by, np.float32))], "x0")
    shapes = input_shapes(policy)
    for number, (layer, shape) in enumerate(zip(policy.layers, shapes, strict=True)):
        _add_layer(graph, number, layer, shape)
    graph.add("Flatten", [f"x{len(policy.layers)}"], "outputs")
    outputs = math.prod(output_shape(policy.layers[-1].form, shapes[-1]))
    if policy.action == "argmax":
        graph.add("ArgMax", ["outputs"], "action", axis=1, keepdims=0)
        action = helper.make_tensor_value_info("action", TensorProto.INT64, ["batch"])
    else:
        graph.add("Tanh", ["outputs"], "action")
        action = helper.make_tensor_value_info("action", TensorProto.FLOAT, ["batch", outputs])
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    observation = helper.make_tensor_value_info("observation", kind, ["batch", *policy.observation_shape])
    values = helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["batch", outputs])
    made = helper.make_graph(graph.nodes, "policy", [observation], [values, action], graph.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


class Graph(NamedTuple):
    """The nodes and constants of a model that is being built."""

    nodes: list[Any]
    weights: list[Any]

    def add(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node, and return the name of its output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def constant(self, name: str, array: np.ndarray) -> str:
        """Append a constant, and return its name."""
        from onnx import numpy_helper

        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name


def _add_layer(graph: Graph, number: int, layer: Layer, shape: Shape) -> None:
    """Append layer `number`, whose input has this shape: layer 0 reads x0, the scaled observation, and writes x1."""
    inputs = [f"x{number + 1 - back}" for back in layer.reads]
    x = inputs[0] if len(inputs) == 1 else graph.add("Sum", inputs, f"input{number}")
    y = f"linear{number}" if layer.relu else f"x{number + 1}"
    if layer.kind == KERNEL:
        _add_kernel(graph, number, layer, shape, x, y)
    elif layer.kind == LAYER_NORM:
        _add_layer_norm(graph, number, layer, shape, x, y)
    elif layer.kind == STANDARDIZE:
        centred = graph.add("Sub", [x, graph.constant(f"mean{number}", layer.bias)], f"centred{number}")
        graph.add("Mul", [centred, graph.constant(f"inverse{number}", layer.weight)], y)
    elif layer.kind == MAX_POOL:
        sides = [layer.window, layer.window]
        graph.add("MaxPool", [x], y, kernel_shape=sides, strides=[layer.stride] * 2, pads=_pads(layer, shape))
    else:
        graph.add("Identity", [x], y)
    if layer.relu:
        graph.add("Relu", [y], f"x{number + 1}")


def _add_kernel(graph: Graph, number: int, layer: Layer, shape: Shape, x: str, y: str) -> None:
    inputs = [graph.constant(f"weight{number}", layer.weight), graph.constant(f"bias{number}", layer.bias)]
    if layer.convolves:
        graph.add("Conv", [x, *inputs], y, pads=_pads(layer, shape), strides=[layer.stride] * 2)
    else:
        flat = graph.add("Flatten", [x], f"flat{number}")
        graph.add("Gemm", [flat, *inputs], y, transB=1)


def _add_layer_norm(graph: Graph, number: int, layer: Layer, shape: Shape, x: str, y: str) -> None:
    """Append a layer norm. ONNX normalises over the last axes, so images are transposed for it, and back."""
    inputs = [graph.constant(f"scale{number}", layer.weight), graph.constant(f"bias{number}", layer.bias)]
    if len(shape) == 1:
        graph.add("LayerNormalization", [x, *inputs], y, axis=-1, epsilon=NORM_EPSILON)
        return
    turned = graph.add("Transpose", [x], f"turned{number}", perm=[0, 2, 3, 1])
    norm = graph.add("LayerNormalization", [turned, *inputs], f"norm{number}", axis=-1, epsilon=NORM_EPSILON)
    graph.add("Transpose", [norm], y, perm=[0, 3, 1, 2])


def _pads(layer: Layer, shape: Shape) -> list[int]:
    """Return the padding in ONNX's order: top, left, bottom, right."""
    (top, bottom), (left, right) = paddings(layer.form, shape)
    return [top, left, bottom, right]


class Model(NamedTuple):
    """A model in onnxruntime, and what it says of itself."""

    act: Callable[[np.ndarray], np.ndarray]  # observation [...] -> greedy action
    about: dict[str, str]  # its metadata
    action: str  # one of network.ACTIONS
    outputs: int


def load(model: Path | bytes) -> Model:
    """Load a model into onnxruntime. Raises UserError if it is not as `build` makes it, or without onnxruntime."""
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"ONNX: {INSTALL}") from None
    onnxruntime.disable_telemetry_events()  # a policy is nobody else's business
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised
    name = "ONNX model" if isinstance(model, bytes) else str(model)
    try:
        source = model if isinstance(model, bytes) else model.read_bytes()
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from None
    except Exception as error:  # onnxruntime has an exception of its own for everything
        raise UserError(f"{name}: onnxruntime cannot load it ({error}); the file is damaged") from None
    action, outputs = _meaning(session, name)

    def act(observation: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(session.run(["action"], {"observation": observation[None]})[0][0])
        except Exception as error:
            shape, dtype = observation.shape, observation.dtype
            raise UserError(f"{name}: cannot act on observations {dtype} {shape} ({error})") from None

    return Model(act, dict(session.get_modelmeta().custom_metadata_map), action, outputs)


def _meaning(session: Any, name: str) -> tuple[str, int]:
    """Return a graph's action, one of ACTIONS, and number of outputs. Raises UserError if it is not of `build`."""
    takes = [value.name for value in session.get_inputs()]
    gives = {value.name: (value.type, value.shape[1:]) for value in session.get_outputs()}
    match takes, gives:
        case ["observation"], {"outputs": ("tensor(float)", [int(n)]), "action": ("tensor(int64)", [])}:
            action = "argmax"
        case ["observation"], {"outputs": ("tensor(float)", [int(n)]), "action": ("tensor(float)", [m])} if m == n:
            action = "tanh"
        case _:
            raise UserError(f"{name}: maps {takes} to {gives}, should map an observation to outputs and an action")
    return action, n
