"""A softcopy presentation state: grayscale for gray sources, colour for all others.

It changes nothing of how the source is shown but for the marks: window and tables of a gray source are taken over,
and every frame is shown whole.

References
----------
DICOM PS3.3 A.33.1 (Grayscale), A.33.2 (Color Softcopy Presentation State), C.11.9 to C.11.11, C.10.4 (Displayed
Area), C.10.5 (Graphic Annotation), C.10.7 (Graphic Layer), C.11.15 (ICC Profile).
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Many
from typing import Final

import numpy as np
from highdicom.color import CIELabColor
from pydicom import Dataset, Sequence
from pydicom.multival import MultiValue
from pydicom.uid import ColorSoftcopyPresentationStateStorage, GrayscaleSoftcopyPresentationStateStorage

from integration.results.colours import Rgb, colours_of
from integration.results.instance import MAX_LO, add_unknown_laterality, new_instance, source_item
from integration.results.patient import copy_attributes
from integration.results.pr.annotations import Corners, FrameMarks, Graphic, Marks, Note, marks_by_frame
from integration.results.pr.profile import input_profile
from integration.results.request import ResultRequest
from integration.results.values import RESEARCH_MARK, TRIAL_MARK

NOTES_LAYER: Final = "NOTES"
WHITE: Final[Rgb] = (255, 255, 255)
_GRAY_KINDS: Final = ("MONOCHROME1", "MONOCHROME2")
_CAPTION_HEIGHT: Final = 0.035  # of the displayed area
_MODALITY: Final = ("RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence")
_WINDOW: Final = ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation")


def build_pr(request: ResultRequest) -> Dataset | None:
    """The presentation state of all marks; None where no finding has a place in the picture."""
    frames = marks_by_frame(request.findings, request.source.rows, request.source.columns)
    if not any(marks.things for marks in frames.values()):
        return None
    gray = str(request.header.get("PhotometricInterpretation") or "") in _GRAY_KINDS
    sop_class = GrayscaleSoftcopyPresentationStateStorage if gray else ColorSoftcopyPresentationStateStorage
    ds = new_instance(request, "PR", str(sop_class), modality="PR", says="marks")
    _add_identification(request, ds)
    _add_side(request, ds)
    ds.ReferencedSeriesSequence = Sequence([_source_series(request)])
    ds.DisplayedAreaSelectionSequence = Sequence([_displayed_area(request)])
    layers = _layers(request, frames)
    ds.GraphicAnnotationSequence = Sequence(_annotations(request, frames, layers))
    ds.GraphicLayerSequence = Sequence(_layer_items(request, layers, gray=gray))
    if gray:
        _add_gray_display(request, ds)
    else:
        ds.ICCProfile = input_profile(request.header)
    return ds


def _add_identification(request: ResultRequest, ds: Dataset) -> None:
    ds.PresentationCreationDate, ds.PresentationCreationTime = ds.ContentDate, ds.ContentTime
    del ds.ContentDate, ds.ContentTime  # no attributes of a presentation state
    ds.ContentLabel = "FINDINGS"
    ds.ContentDescription = f"{request.task.task} {request.task.version}"[:MAX_LO]
    ds.ContentCreatorName = None


def _add_side(request: ResultRequest, ds: Dataset) -> None:
    """A presentation state has no ImageLaterality: where the source has that, it is the side of the series."""
    copy_attributes(request.header, ds, ("BodyPartExamined", "Laterality"))
    side = str(request.header.get("ImageLaterality") or "")
    if "Laterality" not in ds and side in ("L", "R"):
        ds.Laterality = side
    add_unknown_laterality(ds)


def _source_series(request: ResultRequest) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = request.header.SeriesInstanceUID
    series.ReferencedImageSequence = Sequence([source_item(request)])
    return series


def _displayed_area(request: ResultRequest) -> Dataset:
    """All of every frame; the shape of its pixels as the source says it."""
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [request.source.columns, request.source.rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    aspect = request.header.get("PixelAspectRatio")
    given = isinstance(aspect, MultiValue | list) and len(aspect) == 2
    area.PresentationPixelAspectRatio = [int(part) for part in aspect] if given else [1, 1]
    return area


def _layers(request: ResultRequest, frames: dict[int, FrameMarks]) -> dict[str, str]:
    """The layer of each thing that is drawn: a reader switches them on and off one by one."""
    drawn = dict.fromkeys(thing for marks in frames.values() for thing in marks.things)
    order = [thing for thing in colours_of(request.findings) if thing in drawn]
    return {thing: f"FINDING {number}" for number, thing in enumerate(order, 1)}


def _layer_items(request: ResultRequest, layers: dict[str, str], *, gray: bool) -> Iterable[Dataset]:
    colours = colours_of(request.findings)
    named = [(layer, thing, colours[thing]) for thing, layer in layers.items()]
    for order, (layer, words, colour) in enumerate([*named, (NOTES_LAYER, "what has no place", WHITE)], 1):
        item = Dataset()
        item.GraphicLayer = layer
        item.GraphicLayerOrder = order
        if gray:
            item.GraphicLayerRecommendedDisplayGrayscaleValue = 0xFFFF
        item.GraphicLayerRecommendedDisplayCIELabValue = list(CIELabColor.from_rgb(*colour).value)
        item.GraphicLayerDescription = words[:MAX_LO]
        yield item


def _annotations(request: ResultRequest, frames: dict[int, FrameMarks], layers: dict[str, str]) -> Iterable[Dataset]:
    for number, marks in frames.items():
        for thing, of_thing in marks.things.items():
            yield _annotation(request, [number], layers[thing], _thing_objects(of_thing))
        if marks.captions:
            yield _annotation(request, [number], NOTES_LAYER, ([_caption(marks.captions, top=False)], []))
    task, options = request.task, request.options
    notices = [RESEARCH_MARK] if options.research_use else []
    notices += [TRIAL_MARK] if task.trial else []
    notices.append(f"{task.task} {task.version}, computed by software")
    yield _annotation(request, list(frames), NOTES_LAYER, ([_caption(notices, top=True)], []))


def _annotation(
    request: ResultRequest, frames: Many[int], layer: str, objects: tuple[list[Dataset], list[Dataset]]
) -> Dataset:
    texts, graphics = objects
    item = Dataset()
    item.ReferencedImageSequence = Sequence([source_item(request, frames)])
    item.GraphicLayer = layer
    if texts:
        item.TextObjectSequence = Sequence(texts)
    if graphics:
        item.GraphicObjectSequence = Sequence(graphics)
    return item


def _thing_objects(marks: Marks) -> tuple[list[Dataset], list[Dataset]]:
    return [_note(note) for note in marks.notes], [_graphic(graphic) for graphic in marks.graphics]


def _graphic(graphic: Graphic) -> Dataset:
    points = graphic.points
    item = Dataset()
    item.GraphicAnnotationUnits = "PIXEL"
    item.GraphicDimensions = 2
    item.NumberOfGraphicPoints = len(points)
    item.GraphicData = points.ravel().tolist()
    item.GraphicType = "POINT" if len(points) == 1 else "POLYLINE"
    if len(points) > 2 and np.array_equal(points[0], points[-1]):
        item.GraphicFilled = "N"
    return item


def _note(note: Note) -> Dataset:
    return _text(note.lines, note.box, "PIXEL")


def _caption(lines: Many[str], *, top: bool) -> Dataset:
    """Words at the edge of the displayed area, which has neither pixels nor a place of its own."""
    height = min(0.5, _CAPTION_HEIGHT * len(lines))
    box = (0.01, 0.01, 0.99, 0.01 + height) if top else (0.01, 0.99 - height, 0.99, 0.99)
    return _text(lines, box, "DISPLAY")


def _text(lines: Many[str], box: Corners, units: str) -> Dataset:
    item = Dataset()
    item.BoundingBoxAnnotationUnits = units
    item.UnformattedTextValue = "\r\n".join(lines)[:1024]  # ST
    item.BoundingBoxTopLeftHandCorner = [float(np.float32(part)) for part in box[:2]]
    item.BoundingBoxBottomRightHandCorner = [float(np.float32(part)) for part in box[2:]]
    item.BoundingBoxTextHorizontalJustification = "LEFT"
    return item


def _add_gray_display(request: ResultRequest, ds: Dataset) -> None:
    """Window and tables of the source: what a presentation state leaves out is not applied at all."""
    header = request.header
    copy_attributes(header, ds, _MODALITY)
    voi = Dataset()
    if header.get("VOILUTSequence"):
        copy_attributes(header, voi, ("VOILUTSequence",))
        voi.VOILUTSequence = voi.VOILUTSequence[:1]
    elif header.get("WindowCenter") not in (None, ""):
        copy_attributes(header, voi, (*_WINDOW, "VOILUTFunction"))
        for keyword in _WINDOW:
            value = voi.get(keyword)
            if isinstance(value, MultiValue | list):
                setattr(voi, keyword, value[0])
    if len(voi):
        ds.SoftcopyVOILUTSequence = Sequence([voi])
    inverse = header.PhotometricInterpretation == "MONOCHROME1"
    ds.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
