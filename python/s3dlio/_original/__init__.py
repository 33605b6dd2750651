"""Names, arguments and classes of the original library, over this one; ``s3dlio.compat`` offers them."""
