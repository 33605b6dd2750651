"""Embedding tables; ``s3dlio.EmbeddingTable`` and ``s3dlio.table`` offer them."""
