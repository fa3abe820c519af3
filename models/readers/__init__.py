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


READERS: dict[type[Any], Callable[[Any, Conclude, bool], Reader]] = {
    OutlineSettings: lambda settings, _, likely: OutlineReader(settings, likely=likely),
    DetectionSettings: lambda settings, *_: DetectionReader(settings),
    LandmarksSettings: lambda settings, *_: LandmarksReader(settings),
    RegressionSettings: lambda settings, conclude, _: RegressionReader(settings, conclude),
    EnhancementSettings: lambda settings, *_: EnhancementReader(settings),
    ReportSettings: lambda settings, conclude, _: ReportReader(settings, conclude),
    SegmentationSettings: lambda settings, _, likely: StructuresReader(settings, likely=likely),
    ClassificationSettings: lambda settings, *_: CategoryReader(settings),
    OrdinalSettings: lambda settings, *_: OrdinalReader(settings),
    ViewSettings: lambda settings, *_: ViewReader(settings),
    QualitySettings: lambda settings, *_: QualityReader(settings),
}


def reader_of(settings: Settings, conclude: Conclude, *, likely: bool = False) -> Reader:
    """A fresh reader for one job of a task with these settings.

    Parameters
    ----------
    settings
        Of the task's card.
    conclude
        What its head makes of all frames.
    likely
        Whether masks keep the probabilities of their pixels: some kilobytes more for each.
    """
    return READERS[type(settings)](settings, conclude, likely)
