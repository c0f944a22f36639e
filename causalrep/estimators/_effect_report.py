"""What `causal_effect` returns: an effect, or the set of possible ones, to be read, shown and drawn."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causalrep.estimators._refutation import Refutation
from causalrep.estimators._result import EffectResult
from causalrep.utils import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["EffectReport", "EffectSet", "JointEffectSet", "PossibleEffect"]

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em;color-scheme:light "
    "dark}table{border-collapse:collapse}td,th{padding:.25em 1em .25em 0;text-align:left;vertical-align:top}"
    "th{font-weight:600}.warn{border-left:4px solid #c60;padding-left:.7em}svg{width:100%;height:auto}"
)

Rows = list[tuple[str, str]]


Picture = tuple[str, tuple[float, float], Callable[["Axes"], object]]
Lines = tuple[Sequence[str], NDArray[np.float64], NDArray[np.float64]]


class _Readable(ABC):
    """Text, HTML and files of a report that gives its title, its rows and its warnings."""

    @abstractmethod
    def _title(self) -> str: ...

    @abstractmethod
    def _rows(self) -> Rows: ...

    @abstractmethod
    def _warned(self) -> tuple[str, ...]: ...

    @abstractmethod
    def _lines(self) -> Lines:
        """Return names, estimates and intervals of what is drawn."""

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the report.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib Axes
            One line for each estimate, with its interval.
        """
        from causalrep.plotting import plot_effects

        return plot_effects(*self._lines(), ax=ax)

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self._rows())
        warned = [f"  ! {text}" for text in self._warned()]
        body = [f"  {name:{width}s}  {text}" for name, text in self._rows()]
        return "\n".join([self._title(), *warned, *body])

    def _repr_html_(self) -> str:
        warned = "".join(f'<p class="warn">{html.escape(text)}</p>' for text in self._warned())
        cells = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>"
            for name, text in self._rows()
        )
        return f"<h3>{html.escape(self._title())}</h3>{warned}<table>{cells}</table>"

    def to_html(self, path: str | Path) -> None:
        """Write the report, with its picture, as one page that needs no network.

        Parameters
        ----------
        path : str or Path
            The file.

        Raises
        ------
        MissingDependencyError
            Without matplotlib, which draws the picture.
        """
        from causalrep.plotting import to_svg

        pictures = "".join(to_svg(draw, size=size, title=name) for name, size, draw in self._pictures())
        title = html.escape(self._title())
        page = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
            f"<style>{_STYLE}</style><body>{self._repr_html_()}{pictures}</body></html>"
        )
        write_text(Path(path), page)

    def _pictures(self) -> list[Picture]:
        n_lines = max(len(self._lines()[0]), 1)
        return [(self._title(), (7.0, 1.2 + 0.4 * n_lines), lambda ax: self.plot(ax=ax))]


@dataclass(frozen=True)
class EffectReport(_Readable):
    """An effect, and how it was found.

    Parameters
    ----------
    treatment, outcome : hashable
        The question.
    strategy : {"adjustment", "front door", "instrument", "formula"}
        How the graph identifies the effect.
    adjustment : tuple of hashable
        The covariates that are adjusted for.
    instrument : hashable or None
        The instrument, where there is one.
    effect : EffectResult
        The average effect with its interval.
    unadjusted : float
        What the difference of means, or the slope of a regression, would have said.
    robustness : float
        Share of the residual variance of treatment and of outcome that a hidden confounder would have to
        explain to take the effect away; see `causalrep.estimators.sensitivity.robustness_value`. NaN where
        the strategy is not adjustment.
    level : float
        Level of the interval.
    estimator : EffectEstimator or PlugIn
        The fitted estimator, for everything else.
    refutations : tuple of Refutation, default=()
        What came of the refuters that were asked for.
    mediators : tuple of hashable, default=()
        Of a front door.
    """

    treatment: Hashable
    outcome: Hashable
    strategy: str
    adjustment: tuple[Hashable, ...]
    instrument: Hashable | None
    effect: EffectResult
    unadjusted: float
    robustness: float
    level: float
    estimator: Any = field(repr=False)
    refutations: tuple[Refutation, ...] = ()
    mediators: tuple[Hashable, ...] = ()

    @property
    def estimate(self) -> float:
        """The average effect."""
        return float(self.effect.estimate)

    @property
    def ci(self) -> tuple[float, float]:
        """The interval of the average effect."""
        low, high = self.effect.ci
        return float(low), float(high)

    def _title(self) -> str:
        return f"Effect of {self.treatment} on {self.outcome}"

    def _warned(self) -> tuple[str, ...]:
        return self.effect.warnings

    def _rows(self) -> Rows:
        given = ", ".join(map(str, self.adjustment)) or "nothing"
        how = f"adjustment for {given}"
        if self.instrument is not None:
            how = f"instrument {self.instrument} given {given}"
        elif self.mediators:
            how = f"front door through {', '.join(map(str, self.mediators))} given {given}"
        elif self.strategy == "formula":
            how = f"the formula {self.estimator.identification_.estimand}"
        return [
            ("identified", f"by {how}"),
            ("estimated", f"by {type(self.estimator).__name__} from {self.effect.n} rows"),
            ("effect", _number(self.effect, self.level)),
            ("unadjusted", f"{self.unadjusted:.4g}"),
            *self._diagnosis(),
            *(("refuter", refutation.reading) for refutation in self.refutations),
        ]

    def _diagnosis(self) -> Rows:
        strength = getattr(self.estimator, "first_stage_f_", None)
        if strength is not None:
            return [("instrument", f"first-stage F = {strength:.1f}")]
        rows: Rows = []
        if self.strategy == "adjustment":
            share = f"would explain it away from {self.robustness:.1%} of the residual variance of both on"
            rows.append(("hidden confounding", share))
        overlap = getattr(self.estimator, "overlap_", None)
        if overlap is not None:
            control, treated = overlap.effective_size
            text = f"propensities {overlap.lowest:.2g} to {overlap.highest:.2g}; "
            text += f"weighted arms are worth {control:.0f} and {treated:.0f} rows"
            rows.insert(0, ("overlap", text))
        return rows

    def _pictures(self) -> list[Picture]:
        found = super()._pictures()
        overlap = getattr(self.estimator, "overlap_", None)
        if overlap is not None:
            from causalrep.plotting import plot_balance, plot_overlap

            found.append(("Overlap of the arms", (7.0, 3.0), lambda ax: plot_overlap(overlap, ax=ax)))
            n_covariates = len(overlap.names)
            if n_covariates:
                size = (7.0, 1.2 + 0.3 * n_covariates)
                found.append(("Balance of the covariates", size, lambda ax: plot_balance(overlap, ax=ax)))
        return found

    def _lines(self) -> Lines:
        nothing = [self.unadjusted, self.unadjusted]
        return (
            (type(self.estimator).__name__, "unadjusted"),
            np.array([self.estimate, self.unadjusted]),
            np.array([self.ci, nothing]),
        )


@dataclass(frozen=True)
class PossibleEffect:
    """An effect that some members of an equivalence class of graphs have.

    Parameters
    ----------
    because : tuple of str
        The members.
    effect : EffectResult or None
        The effect if one of them is true, or one for each of several treatments; zero where no directed path
        leads to the outcome, and None where the member does not identify it.
    report : EffectReport or None
        How it was estimated, if it was.
    """

    because: tuple[str, ...]
    effect: EffectResult | None
    report: EffectReport | None = None


@dataclass(frozen=True)
class EffectSet(_Readable):
    """The effects that the members of an equivalence class of graphs allow, of which one is true.

    Parameters
    ----------
    treatment, outcome : hashable
        The question.
    kind : str
        Type of the graph that stands for the class.
    members : tuple of PossibleEffect
        The possibilities, each once.
    level : float
        Level of the intervals.
    """

    treatment: Hashable
    outcome: Hashable
    kind: str
    members: tuple[PossibleEffect, ...]
    level: float

    @property
    def estimates(self) -> NDArray[np.float64]:
        """The estimates of the members that identify the effect, of shape (n_identified,)."""
        return np.array([float(one.effect.estimate) for one in self.members if one.effect is not None])

    @property
    def is_complete(self) -> bool:
        """Whether every member of the class identifies the effect."""
        return all(one.effect is not None for one in self.members)

    @property
    def ci(self) -> tuple[float, float]:
        """The union bound: from the lowest limit to the highest, infinite if not all members have one.

        Whichever member is true, its interval is inside; so this covers the effect as often as that does.
        """
        if not self.is_complete:
            return -np.inf, np.inf
        limits = np.array([one.effect.ci for one in self.members if one.effect is not None], dtype=float)
        return float(limits[:, 0].min()), float(limits[:, 1].max())

    @property
    def smallest(self) -> float:
        """The smallest size that the effect may have; zero if some member does not identify it."""
        return float(np.abs(self.estimates).min()) if self.is_complete else 0.0

    def _title(self) -> str:
        return f"Possible effects of {self.treatment} on {self.outcome}, by the {self.kind}"

    def _warned(self) -> tuple[str, ...]:
        found = [text for one in self.members if one.effect is not None for text in one.effect.warnings]
        return tuple(dict.fromkeys(found))

    def _rows(self) -> Rows:
        rows = [(self._name(one), self._said(one)) for one in self.members]
        low, high = self.ci
        return [*rows, ("whichever is true", f"{self.level:.0%} interval {low:.4g} to {high:.4g}")]

    def _name(self, one: PossibleEffect) -> str:
        more = f" (and {len(one.because) - 1} more)" if len(one.because) > 1 else ""
        return one.because[0] + more

    def _said(self, one: PossibleEffect) -> str:
        if one.effect is None:
            return "not identified"
        if one.report is None:
            return "no effect, as no directed path leads to the outcome"
        given = ", ".join(map(str, one.report.adjustment)) or "nothing"
        return f"{_number(one.effect, self.level)}, by adjustment for {given}"

    def _lines(self) -> Lines:
        shown = [one for one in self.members if one.effect is not None]
        limits = [one.effect.ci for one in shown if one.effect is not None]
        return [self._name(one) for one in shown], self.estimates, np.array(limits, float).reshape(-1, 2)


@dataclass(frozen=True)
class JointEffectSet(_Readable):
    """What one unit more of each of several treatments does, if the others are held: the possibilities.

    Parameters
    ----------
    treatments : tuple of hashable
        The treatments that are set together.
    outcome : hashable
        What they act on.
    kind : str
        Type of the graph; a DAG has one member.
    members : tuple of PossibleEffect
        The possibilities, each once. Their effects have one estimate for each treatment.
    level : float
        Level of the intervals.
    """

    treatments: tuple[Hashable, ...]
    outcome: Hashable
    kind: str
    members: tuple[PossibleEffect, ...]
    level: float

    @property
    def estimates(self) -> NDArray[np.float64]:
        """The estimates, of shape (n_members, n_treatments)."""
        return np.array([one.effect.estimate for one in self.members if one.effect is not None])

    @property
    def ci(self) -> NDArray[np.float64]:
        """For each treatment the union of its intervals, of shape (n_treatments, 2)."""
        limits = self._limits()
        return np.column_stack([limits[:, :, 0].min(axis=0), limits[:, :, 1].max(axis=0)])

    @property
    def smallest(self) -> NDArray[np.float64]:
        """The smallest size that the effect of each treatment may have, of shape (n_treatments,)."""
        return np.asarray(np.abs(self.estimates).min(axis=0))

    def _limits(self) -> NDArray[np.float64]:
        return np.array([one.effect.ci for one in self.members if one.effect is not None])

    def _title(self) -> str:
        together = ", ".join(map(str, self.treatments))
        return f"Joint effects of {together} on {self.outcome}, by the {self.kind}"

    def _warned(self) -> tuple[str, ...]:
        return ()

    def _rows(self) -> Rows:
        rows = [
            (because, "; ".join(f"{t} {text}" for t, text in zip(self.treatments, texts, strict=True)))
            for because, texts in zip(self._names(), self._texts(), strict=True)
        ]
        for treatment, (low, high) in zip(self.treatments, self.ci, strict=True):
            said = f"{treatment}: {self.level:.0%} interval {low:.4g} to {high:.4g}"
            rows.append(("whichever is true" if len(self.members) > 1 else "together", said))
        return rows

    def _names(self) -> list[str]:
        more = [f" (and {len(one.because) - 1} more)" if len(one.because) > 1 else "" for one in self.members]
        return [one.because[0] + text for one, text in zip(self.members, more, strict=True)]

    def _texts(self) -> list[list[str]]:
        return [
            [f"{b:.4g} ({low:.4g} to {high:.4g})" for b, (low, high) in zip(row, limits, strict=True)]
            for row, limits in zip(self.estimates, self._limits(), strict=True)
        ]

    def _lines(self) -> Lines:
        names = [f"{treatment}, {name}" for name in self._names() for treatment in self.treatments]
        return names, self.estimates.ravel(), self._limits().reshape(-1, 2)


def _number(effect: EffectResult, level: float) -> str:
    low, high = effect.ci
    return f"{effect.estimate:.4g}, {level:.0%} interval {low:.4g} to {high:.4g}"
