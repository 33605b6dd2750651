"""Checkpoints under the names that the original library gives them; the arguments stand in its order everywhere."""

from ._checkpoint_info import CheckpointInfo
from ._checkpoint_reader import CheckpointReader, ValidatedCheckpointReader
from ._checkpoint_store import CheckpointStore
from ._checkpoint_writer import CheckpointStream, CheckpointWriter

PyCheckpointStore = CheckpointStore
PyCheckpointWriter = CheckpointWriter
PyCheckpointStream = CheckpointStream
PyCheckpointReader = CheckpointReader
PyValidatedCheckpointReader = ValidatedCheckpointReader
PyCheckpointInfo = CheckpointInfo
