"""Notebook parameters: what each notebook takes, in which range, checked before anything runs.

A notebook's parameters cell names a recipe and holds the few parameters that are changed most; those it leaves at
None, and all others, come from the recipe (``lib.runs.recipes``). papermill injects whatever it is given, with no more
than the warning "Passed unknown parameter" where the cell does not have it; here a name that does not exist, or a value
out of range, is refused.
"""

import ast
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lib.augment import VIEWS, ResizedCrop, Views
from lib.evaluation.protocols import BESIDE, HEADS, LEAST_PROBE, WAYS
from lib.files import NAME, NAMING
from lib.methods import METHODS, options_of
from lib.models import ENCODERS
from lib.runs import recipes
from lib.training.device import PRECISIONS
from lib.training.settings import OPTIMIZERS, SCHEDULES, Settings
from lib.words import LANGUAGES

Positive = Annotated[int, Field(ge=1)]
Chunks = Annotated[list[Positive], Field(min_length=1)]
Name = Annotated[str, Field(pattern=NAME, max_length=100)]
Width = Annotated[list[Positive], Field(max_length=5)]


class ParameterError(ValueError):
    """A notebook parameter that is unknown or out of range."""


P = TypeVar("P", bound="Parameters")


class Parameters(BaseModel):
    """Base: unknown names refused, values never converted from one type to another in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def from_notebook(cls: type[P], namespace: dict[str, Any]) -> P:
        """The parameters among a notebook's ``globals()``.

        Raises:
            ParameterError: one paragraph with every parameter that is unknown or out of range.
        """
        return cls.checked(cls._given(namespace))

    @classmethod
    def _given(cls, namespace: dict[str, Any]) -> dict[str, Any]:
        """What a notebook's ``globals()`` say of the parameters, and whatever else papermill injected."""
        injected, written = set(), set()
        for cell in namespace.get("In", []):
            names = _assigned(cell)
            if cell.startswith("# Parameters\n"):  # the first line of the cell papermill injects
                injected |= names
            elif {"recipe", "run"} <= names:
                written = names  # by the parameters cell, as it was last executed: what is misspelt in it is told
        return {name: namespace[name] for name in (*cls.model_fields, *injected, *written) if name in namespace}

    @classmethod
    def checked(cls: type[P], values: dict[str, Any]) -> P:
        """The parameters from a dict; raises ParameterError as ``from_notebook`` does."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise ParameterError(" ".join(_sentence(e, cls) for e in error.errors())) from None


def _assigned(cell: str) -> set[str]:
    """The names that a cell gives values to; none of a cell that is not plain Python."""
    try:
        nodes = ast.parse(cell).body
    except (SyntaxError, ValueError):
        return set()
    return {t.id for n in nodes if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}


def _sentence(error: dict[str, Any], model: type[Parameters]) -> str:
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"There is no parameter {name!r}; there are: {', '.join(model.model_fields)}."
    if error["type"] == "missing":
        return f"The parameter {name!r} is missing."
    if error["type"] == "value_error":  # of several parameters together: the message says which
        return f"{error['ctx']['error']}."
    said = NAMING if error["type"] == "string_pattern_mismatch" else f"{error['msg'][0].lower()}{error['msg'][1:]}"
    return f"{name} = {error['input']!r} is not right: {said}."


def _named(views: str, plain: Views) -> Views:
    """Views by name, where ``plain`` is a name too."""
    return plain if views == "plain" else Views(views)


class RunParameters(Parameters):
    """What every notebook that leaves a record takes."""

    # of what it prints and draws; no part of the record, for it changes no figure
    language: Annotated[Literal[LANGUAGES], Field(exclude=True)] = "en"
    recipe: str
    profile: Name
    run: Name
    runs: str
    seed: Annotated[int, Field(ge=0, lt=2**31)]


class TrainingParameters(RunParameters):
    """What every notebook that trains takes."""

    precision: Literal[PRECISIONS]

    def _settings(self, prefix: str) -> Settings:
        """A training's settings: the fields of ``Settings`` that are parameters under this prefix."""
        names = [field.name for field in fields(Settings) if prefix + field.name in type(self).model_fields]
        shared = {"seed": self.seed, "precision": self.precision}
        return Settings(**{"epochs": 1} | shared | {name: getattr(self, prefix + name) for name in names})


class PretrainingParameters(TrainingParameters):
    """What every notebook that pretrains an encoder takes."""

    dataset: str
    chunk_count: Annotated[int, Field(ge=2)]
    unlabelled_chunks: Chunks

    encoder: Literal[tuple(ENCODERS)]
    whiten_stem: bool
    projection: Annotated[Width, Field(min_length=1)]
    projection_batch_norm: bool
    views: Literal[tuple(VIEWS)]
    batch_size: Annotated[int, Field(ge=2)]
    optimizer: Literal[tuple(OPTIMIZERS)]
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    schedule: Literal[tuple(SCHEDULES)]
    probe_images: Annotated[int, Field(ge=0)]
    illustrated: bool

    @model_validator(mode="after")
    def _of_pretraining(self):
        if 0 < self.probe_images < LEAST_PROBE:
            raise ValueError(f"probe_images is {self.probe_images}: {LEAST_PROBE} or more are right, or 0 for no probe")
        if self.whiten_stem and not ENCODERS[self.encoder].whitens:
            able = ", ".join(name for name, other in ENCODERS.items() if other.whitens)
            raise ValueError(f"whiten_stem is for {able}; {self.encoder} has no stem of that kind")
        return self

    def _check_size(self, name: str, asked: object) -> None:
        """Refuse images of another size where the encoder takes none."""
        if asked and not ENCODERS[self.encoder].any_size:
            raise ValueError(f"{name} needs an encoder that takes any size; {self.encoder} takes one only")

    def _check_sides(self, name: str, sides: Iterable[int]) -> None:
        """Refuse smaller views where they cannot be had."""
        self._check_size(name, sides)
        if sides and not any(isinstance(o, ResizedCrop) for o in VIEWS[self.views][0]):
            raise ValueError(f"{name} needs views with a resized crop; {self.views} has none")
        if any(side < 4 for side in sides):
            raise ValueError(f"{name} has views of fewer than 4 pixels a side, in which nothing can be seen")


class SimCLRParameters(PretrainingParameters):
    """Parameters of the notebooks that pretrain an encoder with SimCLR and train a classifier on it."""

    labelled_chunks: Annotated[list[Chunks], Field(min_length=1)]

    weights: str
    left_out: list[str]
    augmented_views: Literal[1, 2]
    temperature: Annotated[float, Field(gt=0, le=10)]
    epochs: Positive
    small_crops: list[Annotated[list[Positive], Field(min_length=2, max_length=2)]]

    feature_layers: list[str]
    feature_grid: Annotated[int, Field(ge=0)]
    feature_sides: list[Annotated[int, Field(ge=8, le=256)]]
    classifier_hidden: Width
    classifier_dropout: Annotated[float, Field(ge=0, lt=1)]
    classifier_batch_norm: bool
    classifier_label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    classifier_views: Literal[("plain", *VIEWS)]
    classifier_epochs: Positive
    classifier_batch_size: Positive
    classifier_optimizer: Literal[tuple(OPTIMIZERS)]
    classifier_learning_rate: Annotated[float, Field(gt=0, le=10)]
    classifier_weight_decay: Annotated[float, Field(ge=0, le=1)]
    classifier_schedule: Literal[tuple(SCHEDULES)]

    test_views: Literal[("plain", *VIEWS)]
    test_view_count: Annotated[int, Field(ge=1, le=100)]

    @model_validator(mode="after")
    def _fit_together(self):
        self._check_sides("small_crops", [side for _, side in self.small_crops])
        self._check_size("feature_sides", self.feature_sides)
        if (lasts := [last for last, _ in self.small_crops]) != sorted(set(lasts)):
            raise ValueError(f"small_crops ends at epochs {lasts}: each pair must end after the one before it")
        if len(set(map(tuple, self.labelled_chunks))) < len(self.labelled_chunks):
            raise ValueError("labelled_chunks has the same list twice: name each once")
        self.pretraining_views  # noqa: B018 - says which operation in left_out there is not
        return self

    @property
    def pretraining_views(self) -> Views:
        """The random views of pretraining."""
        views = Views(self.views).without(*self.left_out)
        return views if self.augmented_views == 2 else views.against_originals

    @property
    def plain_views(self) -> Views:
        """Each image as it is, normalised as in pretraining."""
        return Views(self.views).plain

    @property
    def labelled_views(self) -> Views:
        """What the classifier is trained on."""
        return _named(self.classifier_views, self.plain_views)

    @property
    def tested_views(self) -> Views:
        """What the classifier is tested on."""
        return _named(self.test_views, self.plain_views)

    @property
    def head(self) -> dict[str, Any]:
        """The classification head, as ``Classifier`` takes it."""
        own = {name: getattr(self, f"classifier_{name}") for name in ("hidden", "dropout", "batch_norm")}
        where = {name: getattr(self, f"feature_{name}") for name in ("layers", "grid", "sides")}
        return where | own

    @property
    def pretraining(self) -> Settings:
        return self._settings("")

    @property
    def classifier(self) -> Settings:
        return self._settings("classifier_")


class ComparisonParameters(RunParameters):
    """Parameters of the comparison with clustering."""

    simclr_run: str
    components: Annotated[int, Field(ge=2, le=784)]
    clusters: Annotated[int, Field(ge=2, le=1000)]
    restarts: Annotated[int, Field(ge=1, le=100)]


class EvidenceParameters(TrainingParameters):
    """Parameters of the notebook that asks what labels, heads and pretraining are worth."""

    simclr_run: str
    methods: list[Literal[tuple(WAYS)]]
    label_counts: list[Positive]
    heads: list[Literal[tuple(HEADS)]]
    head_labels: Positive
    map_images: Annotated[int, Field(ge=0, le=5000)]

    views: Literal[("plain", *VIEWS)]
    least_steps: Positive
    head_epochs: Positive
    head_batch_size: Positive
    head_optimizer: Literal[tuple(OPTIMIZERS)]
    head_learning_rate: Annotated[float, Field(gt=0, le=10)]
    head_schedule: Literal[tuple(SCHEDULES)]
    whole_epochs: Positive
    whole_batch_size: Positive
    whole_optimizer: Literal[tuple(OPTIMIZERS)]
    whole_learning_rate: Annotated[float, Field(gt=0, le=10)]
    whole_schedule: Literal[tuple(SCHEDULES)]

    def random_views(self, plain: Views) -> Views:
        """What fine-tuning and training from scratch see; ``plain`` are the SimCLR run's views of an image as it is."""
        return _named(self.views, plain)

    @property
    def head(self) -> Settings:
        """The training of a head on a frozen encoder."""
        return self._settings("head_")

    @property
    def whole(self) -> Settings:
        """The training of encoder and head together."""
        return self._settings("whole_")


class MethodsParameters(PretrainingParameters):
    """Parameters of the notebook that pretrains with one of several methods, within a budget."""

    labelled_chunks: Chunks
    scored_chunks: list[Positive]

    method: Literal[tuple(METHODS)]
    options: dict[str, Annotated[float, Field(gt=0)]]
    budget: Annotated[float, Field(gt=0)]
    crops: list[Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=2, max_length=2)]]
    beside: list[Literal[BESIDE]]
    supervised_views: Literal[tuple(VIEWS)]
    supervised_learning_rate: Annotated[float, Field(gt=0, le=10)]

    @model_validator(mode="after")
    def _fit_together(self):
        self._check_sides("crops", [side for _, side in self.crops])
        if any(share > 1 or side % 1 for share, side in self.crops):
            raise ValueError(f"crops = {self.crops}: pairs of a share of the epochs, at most 1, and a side are right")
        if (shares := [share for share, _ in self.crops]) != sorted(set(shares)):
            raise ValueError(f"crops ends at {shares} of the epochs: each pair must end after the one before it")
        known = options_of(self.method)
        if unknown := sorted(set(self.options) - set(known)):
            raise ValueError(f"{self.method} has no option {unknown}; there are: {', '.join(known)}")
        if again := sorted(set(self.scored_chunks) & {*self.labelled_chunks, *self.unlabelled_chunks}):
            raise ValueError(f"scored_chunks {again} are trained on as well: what is scored on must be new")
        return self

    @property
    def method_options(self) -> dict[str, Any]:
        """Every option of the method, those not asked for at their usual value, whole numbers as such."""
        usual = options_of(self.method)
        return usual | {name: type(usual[name])(value) for name, value in self.options.items()}

    @property
    def random_views(self) -> Views:
        return Views(self.views)

    def pretraining(self, epochs: int) -> Settings:
        """The pretraining's settings for so many epochs."""
        return replace(self._settings(""), epochs=epochs)

    def supervised(self, epochs: int) -> Settings:
        """The same for training from scratch with labels."""
        return replace(self.pretraining(epochs), learning_rate=self.supervised_learning_rate)


#: The parameters of each notebook that leaves a record.
NOTEBOOKS: dict[str, type[RunParameters]] = {
    "mnist": SimCLRParameters,
    "cifar10": SimCLRParameters,
    "comparison": ComparisonParameters,
    "evidence": EvidenceParameters,
    "methods": MethodsParameters,
}


def read(notebook: str, namespace: dict[str, Any]) -> RunParameters:
    """The parameters of a notebook that hands over its ``globals()``, checked.

    Raises:
        ParameterError: one paragraph with every parameter that is unknown or out of range.
    """
    kind = NOTEBOOKS[notebook]
    try:
        values = recipes.resolve(notebook, kind._given(namespace))
    except recipes.RecipeError as error:
        raise ParameterError(f"{error}.") from None
    asked = kind.checked(values)
    if notebook == "mnist" and asked.whiten_stem:
        raise ParameterError("whiten_stem = True is for cifar10.ipynb and methods.ipynb: mnist.ipynb does not whiten.")
    return asked
