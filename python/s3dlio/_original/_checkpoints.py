"""Checkpoints under the names that the original library gives them; the arguments stand in its order everywhere."""

from .._checkpoints._info import CheckpointInfo
from .._checkpoints._reader import CheckpointReader, ValidatedCheckpointReader
from .._checkpoints._store import CheckpointStore
from .._checkpoints._writer import CheckpointStream, CheckpointWriter

PyCheckpointStore = CheckpointStore
PyCheckpointWriter = CheckpointWriter
PyCheckpointStream = CheckpointStream
PyCheckpointReader = CheckpointReader
PyValidatedCheckpointReader = ValidatedCheckpointReader
PyCheckpointInfo = CheckpointInfo
