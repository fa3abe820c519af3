"""Who observed: the task package as a device.

References
----------
DICOM PS3.16 TID 1002 and TID 1004 (Device Observer Identifying Attributes).
"""

from __future__ import annotations

from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom import Dataset

from integration.results import codes
from integration.results.instance import MAX_LO, serial_number
from integration.results.request import ResultRequest
from integration.results.uids import derived_uid


def observer_items(request: ResultRequest) -> list[Dataset]:
    """The content items that name the observer."""
    return list(observer_context(request))


def observer_context(request: ResultRequest) -> ObserverContext:
    """The observer; the device's UID follows from the package's digest."""
    task = request.task
    return ObserverContext(
        observer_type=codes.concept(codes.DEVICE_OBSERVER),
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=derived_uid(task.digest, "DEVICE"),
            name=f"{task.manufacturer} {task.task}"[:MAX_LO],
            manufacturer_name=task.manufacturer,
            model_name=task.task,
            serial_number=serial_number(task),
        ),
    )
