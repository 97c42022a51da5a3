"""Actions on the bucket of an app that its pods may take: its role, its boundary, its policy rule.

Nothing here changes the bucket itself: its policy, its tags and its deletion are the program's.
"""

from __future__ import annotations

ON_BUCKET = ("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads")
"""Actions on the bucket."""

ON_OBJECTS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:GetObjectAttributes",
    "s3:GetObjectTagging",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
    "s3:PutObjectTagging",
)
"""Actions on its objects."""
