"""The device that JAX computes on."""

import os

import jax

from suite.errors import UserError
from suite.program import numerics


def choose(name: str) -> None:
    """Choose the kind of device before anything is computed; auto: the one that JAX prefers.

    Raises UserError if there is no such device.
    """
    numerics.pin()
    if name == "cpu":
        jax.config.update("jax_platforms", "cpu")
    try:
        found = jax.default_backend()
    except (RuntimeError, AssertionError) as error:  # JAX asserts that the platform it was asked for has a device
        raise UserError(f"--device={name}: JAX does not start ({error}){_platforms()}") from None
    if name not in ("auto", found):
        raise UserError(
            f"--device={name}: JAX finds none here, only a {found}{_platforms()}; nvidia-smi shows the GPUs,"
            " make setup-cuda installs what JAX needs for them"
        )


def kind() -> str:
    """Return the model of the device, such as cpu or NVIDIA A100-SXM4-40GB. The numbers of a run depend on it."""
    return str(jax.devices()[0].device_kind)


def _platforms() -> str:
    asked = os.environ.get("JAX_PLATFORMS")
    return f", with JAX_PLATFORMS={asked}" if asked else ""
