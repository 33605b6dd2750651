"""Durable logs; ``s3dlio.Log`` offers them."""
