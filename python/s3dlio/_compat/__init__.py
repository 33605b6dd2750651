"""Packages of others under their names: ``s3dlio.compat`` has this folder's modules as its own."""
