"""s3dlio for programs that load models: what vLLM, SGLang and other loaders iterate over, transformers, Lightning and Accelerate.

``s3dlio.integrations.transformers`` needs transformers, ``s3dlio.integrations.lightning`` nothing but torch. docs/models.md tells of all.

Example:
    >>> import numpy as np, s3dlio
    >>> from s3dlio.integrations import iter_tensors
    >>> _ = s3dlio.save_tensors("memory://doc/model", {"a": np.ones(3), "b": np.zeros(2)}, max_shard_size=24)
    >>> [(name, tensor.sum()) for name, tensor in iter_tensors("memory://doc/model")]
    [('a', 3.0), ('b', 0.0)]
"""

from ._stream import iter_tensors

__all__ = ["iter_tensors"]
