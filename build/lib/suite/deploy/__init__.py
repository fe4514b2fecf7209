"""A trained policy outside of training: numpy, scipy and safetensors are all that is imported here, never JAX.

network: the policy as plain arrays. cleanup: fewer units, the same actions. compact: the small file. runner: acting.
"""
