"""Checkpoints: states, shards, manifests and their readers, writers and savers; ``s3dlio.checkpoint`` offers them."""
