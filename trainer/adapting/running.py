"""One adaptation from start to package, as the command line asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.packages.encoders import EncoderPackage, load_encoder
from models.packages.folders import ENCODER_CARD, ENCODERS, PERMISSIVE
from models.packages.package import BUNDLED, CARD, load_package
from trainer.adapting import rival
from trainer.adapting.baselines import baselines_of, latest
from trainer.adapting.beside import Beside, of_card, read_figures, write_figures
from trainer.adapting.convolutions import CONVOLUTIONAL
from trainer.adapting.loop import Adaptation, Progress, silent
from trainer.adapting.measuring import plots_of
from trainer.adapting.packing import Packed, note_baseline, pack
from trainer.adapting.plan import Baseline, Method, Plan
from trainer.adapting.pool import gather
from trainer.adapting.report import Page, page
from trainer.errors import TrainerError
from trainer.tasks import TaskSpec, spec_of

PACKAGES, BASELINES, REPORT = "packages", "baselines", "report.html"
DEFAULT_ENCODER = BUNDLED / PERMISSIVE / ENCODERS / "echocare_tiny-4408b8096fbc"  # by name: others may lie beside it


class BadOrder(TrainerError):
    """What is asked for contradicts itself."""

    code = "bad-order"


class NoEncoder(TrainerError):
    """There is no encoder to adapt to."""

    code = "no-encoder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command line asks for."""

    task: str
    data: Path
    out: Path
    method: Method = "frozen"
    encoder: Path | None = None  # folder of an encoder package; None: the bundled permissive one
    shots: int | None = None
    share: float | None = None  # of the training patients; not together with shots
    epochs: int = 40
    seed: int = 0
    baseline: Baseline | None = None  # what is learned instead, to be told on the card of the other

    @property
    def learned(self) -> Method:
        """The method that is carried out."""
        return "scratch" if self.baseline else self.method

    @property
    def command(self) -> str:
        """The command that does it again, without the folders of this machine."""
        words = f"echocare-train adapt --task {self.task} --data DIR"
        words += f" --method {self.method}" if self.baseline is None else f" --baseline {self.baseline}"
        words += "" if self.encoder is None else f" --encoder {self.encoder.name}"
        words += "" if self.shots is None else f" --shots {self.shots}"
        words += "" if self.share is None else f" --share {self.share:g}"
        return f"{words} --epochs {self.epochs} --seed {self.seed}"


def adapt(
    order: Order,
    on_epoch: Callable[[Progress], None],
    on_step: Callable[[int, int], None] = silent,
    on_view: Callable[[int, int], None] = silent,
) -> tuple[Packed, Path]:
    """Adapt, or go on where the same order stopped; the package lies in OUT/packages, a baseline in OUT/baselines.

    Returns
    -------
    tuple
        What was packed, and the report beside its checkpoint.

    Raises
    ------
    BadOrder
        Shots and a share are asked for together, or a share that is none.
    TrainerError
        The task is unknown, data are missing, or a checkpoint of another plan is in the way.
    EngineError, PackageError
        An encoder is damaged, or the package does not run.
    """
    _check(order)
    spec = spec_of(order.task)
    given = encoder_for(order.encoder)
    plan = Plan(
        task=order.task,
        method=order.learned,
        architecture=given.name,
        encoder="" if order.baseline else given.digest,
        epochs=order.epochs,
        seed=order.seed,
        shots=order.shots,
        share=order.share,
    )
    pool = gather(spec, order.data, order.shots, order.seed, order.share)
    start = None if order.baseline else given
    folder = order.out / _name(plan)
    adaptation = Adaptation(plan, spec, pool, start, folder, on_view)
    for done in adaptation.run(on_step):
        on_epoch(done)
    into = order.out / (BASELINES if order.baseline else PACKAGES) / spec.name
    packed = pack(adaptation, start, order.data, into, order.command)
    beside = _told_on_card(order.out, spec)
    report = folder / REPORT
    told = Page(
        results=packed.results,
        cases=packed.cases,
        beside=() if order.baseline else latest([*baselines_of(spec), *beside]),
        plots=plots_of(packed.cases, packed.package.card.settings),
    )
    report.write_text(page(load_package(into).card, told), encoding="utf-8")
    return packed, report


def adapt_rival(
    order: Order, on_epoch: Callable[[Progress], None], on_step: Callable[[int, int], None] = silent
) -> tuple[Beside, Path]:
    """Learn a plain convolutional network from scratch and keep its figures in OUT/baselines; it gives no package.

    Returns
    -------
    tuple
        Its figures on the test pictures, and the file that keeps them.

    Raises
    ------
    TrainerError
        As of `adapt`.
    """
    _check(order)
    spec = spec_of(order.task)
    plan = Plan(
        task=order.task,
        method="scratch",
        architecture=CONVOLUTIONAL,
        encoder="",
        epochs=order.epochs,
        seed=order.seed,
        shots=order.shots,
        share=order.share,
    )
    pool = gather(spec, order.data, order.shots, order.seed, order.share)
    adaptation = Adaptation(plan, spec, pool, None, order.out / _name(plan))
    for done in adaptation.run(on_step):
        on_epoch(done)
    told, kept = rival.measured(adaptation, order.data, order.command), _rival_file(order.out, spec)
    write_figures(told, kept)
    _told_on_card(order.out, spec)
    return told, kept


def encoder_for(folder: Path | None) -> EncoderPackage:
    """The encoder package in a folder, or `DEFAULT_ENCODER`, which learned from permissive data alone.

    Raises
    ------
    NoEncoder
        It is not there.
    PackageError
        The one in the folder is not whole.
    """
    if folder is not None:
        return load_encoder(folder)
    if not (DEFAULT_ENCODER / ENCODER_CARD).exists():
        raise NoEncoder(f"the bundled encoder {DEFAULT_ENCODER.name} is not there: name another with --encoder")
    return load_encoder(DEFAULT_ENCODER)


def _check(order: Order) -> None:
    if order.share is None:
        return
    if order.shots is not None:
        raise BadOrder("shots and a share both choose what is learned from: give one of them")
    if not 0 < order.share <= 1:
        raise BadOrder(f"a share of the patients lies above 0 and is 1 at most, not {order.share:g}: 0.1 is a tenth")


def _told_on_card(out: Path, spec: TaskSpec) -> tuple[Beside, ...]:
    """Write the baselines that were learned so far into the card of the task's package, where there is one."""
    own, scratch, kept = out / PACKAGES / spec.name, out / BASELINES / spec.name, _rival_file(out, spec)
    told = []
    if (scratch / CARD).is_file():
        told.append(of_card("from scratch", load_package(scratch).card.figures))
        if (own / CARD).is_file():
            note_baseline(own, scratch, spec)
    if kept.is_file():
        told.append(read_figures(kept))
        if (own / CARD).is_file():
            rival.note(own, told[-1], spec)
    return tuple(told)


def _rival_file(out: Path, spec: TaskSpec) -> Path:
    return out / BASELINES / f"{spec.name}-cnn.json"


def _name(plan: Plan) -> str:
    method = "cnn" if plan.architecture == CONVOLUTIONAL else plan.method
    shots = "" if plan.shots is None else f"-{plan.shots}"
    share = "" if plan.share is None else f"-share{plan.share:g}"
    return f"{plan.task}-{method}{shots}{share}-{plan.seed}"
