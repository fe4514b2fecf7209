"""The fields of each JSON file that the suite writes and reads back, as pydantic models.

Unknown fields are kept, since later versions may add some. suite.record.schema describes the files.
"""

from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as shortened  # a value that a file holds may be very long
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from suite.errors import UserError
from suite.record import schema
from suite.record.files import Fingerprint


def _has_size(known: Fingerprint) -> Fingerprint:
    if known.bytes < 0:
        raise ValueError(f"a file of {known.bytes} bytes; the file is damaged")
    return known


Count = Annotated[int, Field(ge=0, lt=2**63)]  # numpy's int64 holds it
KnownFingerprint = Annotated[Fingerprint, AfterValidator(_has_size)]
Fingerprints = dict[str, KnownFingerprint]  # by file name
Versions = dict[str, str | None]  # package -> version, None where it is not installed; the machine, the settings
MACHINE = ("processor", "cores")  # which earlier records lack


def differing(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Name what two sets of versions differ in. Either set may lack a setting, and also the machine, which is then not
    known."""
    names = [name for name in {**theirs, **ours} if name not in MACHINE or (name in ours and name in theirs)]
    return [name for name in names if ours.get(name) != theirs.get(name)]


class File(BaseModel):
    """A JSON object in a file. Strict: "1" and true are not numbers."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)


def read(model: type[Model], path: Path) -> Model:
    """Return the content of a JSON file. Raises UserError, which names the file and the field that is wrong."""
    return validated(model, schema.read_json(path), path)


def parsed(model: type[Model], text: str, where: object) -> Model:
    """Return a JSON text as a model. Raises UserError, which names `where`."""
    try:
        value = schema.parse(text)
    except ValueError as error:
        raise UserError(f"{where}: not valid JSON ({error}); the file is damaged") from None
    return validated(model, value, where)


def validated(model: type[Model], value: Any, where: object) -> Model:
    """Return a JSON value as a model. Raises UserError, which names `where` and the first field that is wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"])) or "content"
        said = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if first["type"] == "value_error":  # one of ours, which says everything
            raise UserError(f"{where}: {field}: {said}") from None
        found = "" if first["type"] == "missing" else f", found {shortened(first['input'])}"
        raise UserError(f"{where}: {field}: {said}{found}; the file is damaged") from None


def _is_known(version: int) -> int:
    if version != schema.SCHEMA:
        raise ValueError(f"version {version}, but this program reads version {schema.SCHEMA}")
    return version


class Attempt(File):
    """An attempt of a run with other versions than the first one."""

    agent_step: Count  # where it began
    versions: Versions


class Config(File):
    """config.json: what was run, with which options and versions."""

    schema_version: Annotated[int, AfterValidator(_is_known)] = Field(alias="schema")
    name: str
    group: str | None = None  # of runs that differ in their seed alone
    task: str  # e.g. "atari/Pong"
    agent: str | None = None  # None: the task's own
    method: str  # e.g. "gmp:final_sparsity=0.8"
    seed: Count
    options: dict[str, dict[str, Any]]  # group -> option -> value
    versions: Versions
    total_agent_steps: Count | None = None
    resumed: list[Attempt] = []


class Progress(File):
    """progress.json: where a run is now."""

    agent_step: Count
    total_agent_steps: Count
    rate: float = Field(ge=0)  # agent steps a second
    latest_return: float | None = Field(alias="return")
    sparsity: float | None
    time: float  # seconds since 1970


class Status(File):
    """status.json: how a run ended. Records that were made by hand may have no fingerprints."""

    status: Literal["finished", "failed"]
    error: str | None = None
    seconds: float | None = None  # wall time
    agent_step: Count | None = None
    files: Fingerprints = {}


class Identity(File):
    """wandb.json: where a run is on W&B, or where an offline run is to go."""

    id: str
    project: str
    entity: str | None = None  # None: the user's own
    url: str | None = None  # None: it was not sent


class Holder(File):
    """lock.json: the process that works on a run. Some systems do not tell all of it."""

    host: str
    boot: str | None = None  # identifies the last start of the machine
    processes: str | None = None  # identifies the container
    pid: int = Field(ge=1)
    since: str = "?"  # a date and time


class Observation(File):
    """The input of a policy's network."""

    shape: list[Count]
    dtype: str
    divided_by: float


class Layer(File):
    """A layer of a policy's network."""

    path: str  # of its arrays, such as "Conv_0"
    kind: str  # e.g. "convolution"
    stride: Count
    relu: bool
    predecessors: list[str] | None = None  # None: it reads the layer before
    window: Count = 0  # pixels a side of a pool


class Action(File):
    """What the outputs of a policy's network mean."""

    kind: Literal["argmax", "tanh"]
    size: Count


class Network(File):
    """The network that acts."""

    observation: Observation
    layers: list[Layer]
    action: Action


class MultiplyAdds(File):
    """Multiply-adds of each kernel for one observation."""

    online: dict[str, Count]
    actor: dict[str, Count] | None
    through: dict[str, Count] | None = None  # the critics' part that the actor's loss needs; None: all, or no actor


class PolicyCard(File):
    """policy.json: the network in policy.safetensors, and the run that trained it."""

    name: str
    task: str
    agent: str | None = None  # None: the task's own
    method: str
    seed: Count
    options: dict[str, dict[str, Any]]
    network: Network | None = None  # None in records that do not describe it; sweeps.export.in_jax does
    multiply_adds: MultiplyAdds | None = None
    first_layers: list[str] | None = None  # kernels that read a network's input; None in records of version 0.1
    dense_gradients: bool = False  # pruned weights learned too


class Bytes(File):
    """Sizes of a policy."""

    dense: float | None = None
    compact_disk: float | None = None
    compact_disk_float16: float | None = None
    compact_memory: float | None = None


class Operations(File):
    """Multiply-adds of one action."""

    dense: float | None = None
    sparse: float | None = None
    cleaned_dense: float | None = None
    cleaned_sparse: float | None = None


class PolicyCosts(File):
    """Model size and operations of a policy."""

    parameters: float | None = None
    kept: float | None = None
    kept_cleaned: float | None = None
    bytes: Bytes = Bytes()
    multiply_adds: Operations = Operations()


class TrainingCosts(File):
    """Operations of a training."""

    executed: float | None = None
    ideal: float | None = None


class Times(File):
    """Latencies of one action in microseconds."""

    median: float | None = None
    p95: float | None = None


class Latency(File):
    """Measured latencies."""

    load: float | None = None  # of the machine
    ways: dict[str, Times] = {}  # e.g. "numpy"


class Costs(File):
    """costs.json: see suite.deploy.costs. Numbers that were not measured are missing or null."""

    policy: PolicyCosts = PolicyCosts()
    training: TrainingCosts = TrainingCosts()
    latency: Latency | None = None


def as_json(model: File) -> dict[str, Any]:
    """Return the JSON object that a model was read from."""
    return model.model_dump(by_alias=True, exclude_unset=True)
