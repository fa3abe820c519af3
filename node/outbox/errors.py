"""Errors of deliveries on this side; those of DICOM peers are in `integration.dimse`, of servers in `integration.web`.

::

    NodeError
    └── DeliveryError
        ├── ResultMissing      the result's file is gone
        ├── SecretMissing      the password or token of a server cannot be read
        └── FolderUnwritable   the destination folder cannot be written now
"""

from __future__ import annotations

from typing import ClassVar

from node.errors import NodeError


class DeliveryError(NodeError):
    """Root of the errors of deliveries."""

    code: ClassVar[str] = "delivery"


class ResultMissing(DeliveryError):
    """The file of a result is not where the job put it: somebody removed it."""

    code: ClassVar[str] = "delivery.result_missing"


class SecretMissing(DeliveryError):
    """The password or token for a server is not where the configuration says."""

    code: ClassVar[str] = "delivery.secret_missing"
    retryable: ClassVar[bool] = True


class FolderUnwritable(DeliveryError):
    """The destination folder cannot be written: full, read-only, or its mount is away."""

    code: ClassVar[str] = "delivery.folder_unwritable"
    retryable: ClassVar[bool] = True
