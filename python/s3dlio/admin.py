"""What is done to buckets and not to objects: make and remove them, clean up uploads, let others in for a while.

Example:
    >>> import s3dlio
    >>> s3dlio.admin.list_uploads("memory://doc/")
    []
"""

from ._containers import abort_uploads, create_bucket, delete_bucket, list_containers, list_uploads, presign

__all__ = ["abort_uploads", "create_bucket", "delete_bucket", "list_containers", "list_uploads", "presign"]
