"""A policy as ONNX: the plain graph of its layers, which any ONNX runtime takes.

input "observation" [batch, ...], as the environment gives it; outputs "outputs" float32 [batch, n] and "action", int64
[batch] or float32 [batch, n].
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from suite.deploy.network import Policy, input_shapes, output_shape, padding
from suite.errors import UserError

OPSET, IR_VERSION = 17, 8  # of 2022, which runtimes of today and small ones read
INSTALL = "it needs the packages onnx and onnxruntime (the extra `deploy`)"


def build(policy: Policy, dtype: str, about: Mapping[str, str]) -> bytes:
    """A checked ONNX model; `dtype` is that of observations, `about` goes into its metadata."""
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        raise UserError(f"ONNX: {INSTALL}") from None

    nodes, weights = [], [numpy_helper.from_array(np.array(policy.divided_by, np.float32), "divided_by")]
    nodes.append(helper.make_node("Cast", ["observation"], ["floats"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Div", ["floats", "divided_by"], ["x0"]))
    for number, (layer, shape) in enumerate(zip(policy.layers, input_shapes(policy), strict=True)):
        x, y, linear = f"x{number}", f"x{number + 1}", f"linear{number}"
        linear = linear if layer.relu else y
        weights.append(numpy_helper.from_array(np.ascontiguousarray(layer.weight), f"weight{number}"))
        weights.append(numpy_helper.from_array(layer.bias, f"bias{number}"))
        inputs = [f"weight{number}", f"bias{number}"]
        if layer.convolves:
            sides = zip(shape[1:], layer.weight.shape[2:], strict=True)
            (top, bottom), (left, right) = [padding(size, kernel, layer.stride) for size, kernel in sides]
            pads, strides = [top, left, bottom, right], [layer.stride, layer.stride]
            nodes.append(helper.make_node("Conv", [x, *inputs], [linear], pads=pads, strides=strides))
        else:
            nodes.append(helper.make_node("Flatten", [x], [f"flat{number}"]))
            nodes.append(helper.make_node("Gemm", [f"flat{number}", *inputs], [linear], transB=1))
        if layer.relu:
            nodes.append(helper.make_node("Relu", [linear], [y]))
    nodes.append(helper.make_node("Flatten", [y], ["outputs"]))
    outputs = math.prod(output_shape(layer, shape))
    if policy.action == "argmax":
        nodes.append(helper.make_node("ArgMax", ["outputs"], ["action"], axis=1, keepdims=0))
        action = helper.make_tensor_value_info("action", TensorProto.INT64, ["batch"])
    else:
        nodes.append(helper.make_node("Tanh", ["outputs"], ["action"]))
        action = helper.make_tensor_value_info("action", TensorProto.FLOAT, ["batch", outputs])
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    observation = helper.make_tensor_value_info("observation", kind, ["batch", *policy.observation_shape])
    values = helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["batch", outputs])
    graph = helper.make_graph(nodes, "policy", [observation], [values, action], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


class Model(NamedTuple):
    """A model in onnxruntime, and what it says of itself."""

    act: Callable[[np.ndarray], np.ndarray]  # observation [...] -> greedy action
    about: dict[str, str]  # its metadata
    action: str  # one of network.ACTIONS
    outputs: int


def load(model: Path | bytes, threads: int = 1) -> Model:
    """Raises UserError if that is no model as `build` makes it."""
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"ONNX: {INSTALL}") from None
    onnxruntime.disable_telemetry_events()  # a policy is nobody else's business
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 4  # what is wrong is raised
    name = "ONNX model" if isinstance(model, bytes) else str(model)
    try:
        source = model if isinstance(model, bytes) else model.read_bytes()
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise UserError(f"{name}: cannot be read ({error.strerror})") from None
    except Exception as error:  # onnxruntime has an exception of its own for everything
        raise UserError(f"{name}: no model that onnxruntime takes ({error}); the file is damaged") from None
    action, outputs = _meaning(session, name)

    def act(observation: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(session.run(["action"], {"observation": observation[None]})[0][0])
        except Exception as error:
            shape, dtype = observation.shape, observation.dtype
            raise UserError(f"{name}: does not act on observations {dtype} {shape} ({error})") from None

    return Model(act, dict(session.get_modelmeta().custom_metadata_map), action, outputs)


def _meaning(session: Any, name: str) -> tuple[str, int]:
    """The action, one of ACTIONS, and the number of outputs of a graph. Raises UserError if it is none of `build`."""
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
