"""From what heads say of frames to findings: a reader for each kind of task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.packages.settings import OutlineSettings, Settings
from models.packages.settings_detection import DetectionSettings
from models.packages.settings_enhancement import EnhancementSettings
from models.packages.settings_landmarks import LandmarksSettings
from models.packages.settings_pictures import (
    ClassificationSettings,
    OrdinalSettings,
    QualitySettings,
    SegmentationSettings,
    ViewSettings,
)
from models.packages.settings_regression import RegressionSettings
from models.packages.settings_report import ReportSettings
from models.readers.category import CategoryReader
from models.readers.detection import DetectionReader
from models.readers.enhancement import EnhancementReader
from models.readers.landmarks import LandmarksReader
from models.readers.ordinal import OrdinalReader
from models.readers.outline import OutlineReader
from models.readers.quality import QualityReader
from models.readers.reader import Conclude, Raw, Reader, Seen
from models.readers.regression import RegressionReader
from models.readers.report import ReportReader
from models.readers.structures import StructuresReader
from models.readers.view import ViewReader

__all__ = ["Conclude", "Raw", "Reader", "Seen", "reader_of"]


def _outline(settings: OutlineSettings, conclude: Conclude) -> Reader:
    return OutlineReader(settings)


READERS: dict[type[Any], Callable[[Any, Conclude], Reader]] = {
    OutlineSettings: _outline,
    DetectionSettings: lambda settings, _: DetectionReader(settings),
    LandmarksSettings: lambda settings, _: LandmarksReader(settings),
    RegressionSettings: RegressionReader,
    EnhancementSettings: lambda settings, _: EnhancementReader(settings),
    ReportSettings: ReportReader,
    SegmentationSettings: lambda settings, _: StructuresReader(settings),
    ClassificationSettings: lambda settings, _: CategoryReader(settings),
    OrdinalSettings: lambda settings, _: OrdinalReader(settings),
    ViewSettings: lambda settings, _: ViewReader(settings),
    QualitySettings: lambda settings, _: QualityReader(settings),
}


def reader_of(settings: Settings, conclude: Conclude) -> Reader:
    """A fresh reader for one job of a task with these settings."""
    return READERS[type(settings)](settings, conclude)
