"""The models that forecasts are mixed from. A cluster's queue can be one more of them.

Each takes the past and says what comes next; ``refit`` runs once a day. All are plain
numpy, and each is honest by itself: it uses nothing that has not happened yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from .plan import Floats, Ints
from .tariff import Calendar

DAY: Final = 96
WEEK: Final = 7 * DAY
_SATURDAY: Final = 5
_SPARE: Final = DAY
"""So many steps more are looked up in the calendar than are asked for, for the next time."""


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """When steps are, on the site's calendar, shape (n,) each."""

    slots: Ints
    """Quarter of the local day, 0..95."""
    off: Floats
    """1.0 on weekends and holidays, else 0.0."""


class Past:
    """One mean per step on a constant grid, as far as it is known."""

    def __init__(self, calendar: Calendar, step_s: int) -> None:
        """Start empty."""
        self._calendar = calendar
        self.step_s = step_s
        self._start_s = 0
        self._count = 0
        self._values = np.zeros(DAY)
        self._slots = np.zeros(DAY, dtype=np.int64)
        self._off = np.zeros(DAY)
        self._ahead_s = 0
        self._ahead = Steps(np.zeros(0, dtype=np.int64), np.zeros(0))

    def __len__(self) -> int:
        """Return the number of steps known."""
        return self._count

    @property
    def values(self) -> Floats:
        """Return all means, W, oldest first."""
        return self._values[: self._count]

    @property
    def steps(self) -> Steps:
        """Return when they were."""
        return Steps(self._slots[: self._count], self._off[: self._count])

    @property
    def end_s(self) -> int:
        """Return the start of the first step that is not known (UTC)."""
        return self._start_s + self._count * self.step_s

    def extend(self, start_s: int, values: Floats) -> None:
        """Take further steps; fills gaps. Raises ValueError for steps already known."""
        if not self._count:
            self._start_s = start_s
        missed = (start_s - self.end_s) // self.step_s
        if missed < 0 or (start_s - self._start_s) % self.step_s:
            raise ValueError("steps must follow those that are known, on the same grid")
        values = np.concatenate((np.full(missed, np.nan), values))
        wanted = self._count + len(values)
        while wanted > len(self._values):
            self._values = np.concatenate((self._values, np.zeros_like(self._values)))
            self._slots = np.concatenate((self._slots, np.zeros_like(self._slots)))
            self._off = np.concatenate((self._off, np.zeros_like(self._off)))
        steps = self.future(len(values))
        new = slice(self._count, wanted)
        self._values[new], self._slots[new], self._off[new] = values, steps.slots, steps.off
        for index in (np.flatnonzero(~np.isfinite(values)) + self._count).tolist():
            before = index - DAY if index >= DAY else index - 1
            self._values[index] = self._values[before] if before >= 0 else 0.0
        self._count = wanted

    def retract(self) -> None:
        """Forget the last step: it was not over yet."""
        self._count -= 1

    def future(self, count: int) -> Steps:
        """Return when the next steps will be."""
        first = (self.end_s - self._ahead_s) // self.step_s
        if not 0 <= first <= len(self._ahead.slots) - count:
            self._ahead_s, first = self.end_s, 0
            self._ahead = self._steps(self.end_s, count + _SPARE)
        part = slice(first, first + count)
        return Steps(self._ahead.slots[part], self._ahead.off[part])

    def _steps(self, start_s: int, count: int) -> Steps:
        starts = start_s + np.arange(count, dtype=np.int64) * self.step_s
        local = self._calendar.local(starts)
        off = (local.weekdays >= _SATURDAY) | self._calendar.is_holiday(local.days)
        return Steps(local.minutes // 15, off.astype(np.float64))


class Model(Protocol):
    """Something that says what comes next."""

    def refit(self, past: Past) -> None:
        """Learn from all that has happened; called once a day."""
        ...

    def predict(self, past: Past, future: Steps) -> Floats:
        """Return the means of the steps to come, W, shape (n,)."""
        ...


class Persistence:
    """It stays as it is."""

    def refit(self, past: Past) -> None:
        """Learn nothing."""

    def predict(self, past: Past, future: Steps) -> Floats:
        """Return the last value for ever."""
        return np.full(len(future.slots), past.values[-1])


class Profile:
    """As at the same time on the days before, from where it is now drifting back to that."""

    def __init__(self, *, days: int, decay_h: float, by_kind: bool = False) -> None:
        """Average ``days`` days; how far now is from them decays with ``decay_h``.

        0: at once. ``by_kind``: days off and working days by themselves.
        """
        self._days, self._decay_h, self._by_kind = days, decay_h, by_kind
        self._table = np.zeros((2, DAY))

    def refit(self, past: Past) -> None:
        """Average the last days by time of day."""
        recent = slice(-self._days * DAY, None)
        values, steps = past.values[recent], past.steps
        kinds = steps.off[recent] if self._by_kind else np.zeros(len(values))
        keys = steps.slots[recent] + DAY * kinds.astype(np.int64)
        counts = np.bincount(keys, minlength=2 * DAY)
        sums = np.bincount(keys, weights=values, minlength=2 * DAY)
        mean = float(values.mean()) if len(values) else 0.0
        table = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).reshape(2, DAY)
        table = np.where(np.isnan(table), table[::-1], table)
        self._table = np.where(np.isnan(table), mean, table)

    def predict(self, past: Past, future: Steps) -> Floats:
        """Return the profile, pulled towards what is now."""
        kinds = future.off.astype(np.int64) if self._by_kind else np.zeros(len(future.off), int)
        base: Floats = self._table[kinds, future.slots]
        if self._decay_h <= 0.0:
            return base
        steps = past.steps
        kind = int(steps.off[-1]) if self._by_kind else 0
        distance = past.values[-1] - self._table[kind, steps.slots[-1]]
        hours = np.arange(1, len(base) + 1) * past.step_s / 3600.0
        decayed: Floats = distance * np.exp(-hours / self._decay_h)
        return base + decayed


class DayBefore:
    """As at the same time a day before, from where it is now drifting back to that.

    By the sun, not by the clock: days here have 24 hours.
    """

    def __init__(self, *, decay_h: float) -> None:
        """Start; how far now is from the day before decays with ``decay_h``."""
        self._decay_h = decay_h

    def refit(self, past: Past) -> None:
        """Learn nothing."""

    def predict(self, past: Past, future: Steps) -> Floats:
        """Return the last day again and again, pulled towards what is now."""
        reach = np.arange(1, len(future.slots) + 1)
        values = past.values
        if len(values) <= DAY:
            return np.full(len(reach), values[-1])
        base: Floats = values[-DAY:][(reach - 1) % DAY]
        distance = values[-1] - values[-1 - DAY]
        decayed: Floats = distance * np.exp(reach * -past.step_s / (3600.0 * self._decay_h))
        return base + decayed


class RobustRegression:
    """The change from now, by least absolute deviations on a few lags and means.

    Fitted at a few leads, interpolated between them. Least absolute deviations by
    iteratively reweighted least squares (Schlossmacher, 1973).
    """

    leads: Final[Ints] = np.array([1, 4, 16, 48, 96, 192], dtype=np.int64)
    _DAYS: Final = 56
    _LEAST_DAYS: Final = 10
    _ROUNDS: Final = 12
    _RIDGE: Final = 1e-3

    def __init__(self) -> None:
        """Start as persistence."""
        self._weights: Floats | None = None

    def refit(self, past: Past) -> None:
        """Fit all leads on the last weeks, one sample per hour."""
        count = len(past)
        if count < self._LEAST_DAYS * DAY:
            return
        first = max(count - self._DAYS * DAY, WEEK)
        means = _Means(past.values)
        weights = []
        for lead in self.leads.tolist():
            at = np.arange(first, count - lead, 4)
            if len(at) < DAY:
                weights.append(np.zeros(_FEATURES))
                continue
            features = _features(past.values, past.steps, at, lead, means)
            change = past.values[at + lead] - past.values[at]
            weights.append(self._fit(features, change))
        self._weights = np.array(weights)

    def _fit(self, features: Floats, change: Floats) -> Floats:
        scale = float(np.abs(change).mean()) + 1e-9
        size = np.maximum(np.abs(features).mean(axis=0), 1e-9)
        x = features / size
        y = change / scale
        damping = self._RIDGE * len(y) * np.eye(x.shape[1])
        solution = np.zeros(x.shape[1])
        importance = np.ones(len(y))
        for _ in range(self._ROUNDS):
            weighted = x * importance[:, None]
            solution = np.linalg.solve(weighted.T @ x + damping, weighted.T @ y)
            importance = 1.0 / np.maximum(np.abs(y - x @ solution), 0.05)
        fitted: Floats = solution * scale / size
        return fitted

    def predict(self, past: Past, future: Steps) -> Floats:
        """Return now plus the change, interpolated between the fitted leads."""
        values = past.values
        reach = np.arange(1, len(future.slots) + 1)
        if self._weights is None or len(values) <= WEEK:
            return np.full(len(reach), values[-1])
        means = _Means(values[-WEEK - 1 :])
        at = np.array([WEEK])
        changes = [0.0]
        steps = Steps(
            np.append(past.steps.slots[-WEEK - 1 :], future.slots),
            np.append(past.steps.off[-WEEK - 1 :], future.off),
        )
        for lead, weights in zip(self.leads.tolist(), self._weights, strict=True):
            features = _features(values[-WEEK - 1 :], steps, at, lead, means)
            changes.append(float(features[0] @ weights))
        path: Floats = values[-1] + np.interp(reach, [0, *self.leads.tolist()], changes)
        return path


_FEATURES: Final = 11


class _Means:
    """Means of the last so many steps up to each step, from running sums."""

    def __init__(self, values: Floats) -> None:
        self._sums = np.concatenate(([0.0], np.cumsum(values)))

    def of(self, at: Ints, count: int) -> Floats:
        first = np.maximum(at + 1 - count, 0)
        means: Floats = (self._sums[at + 1] - self._sums[first]) / (at + 1 - first)
        return means


def _features(values: Floats, steps: Steps, at: Ints, lead: int, means: _Means) -> Floats:
    """Return the features at each step of ``at``, shape (len(at), 11): nothing later is used."""
    now = values[at]
    same_time = at + lead - DAY * (1 + (lead - 1) // DAY)
    last_week = at + lead - WEEK
    angle = steps.slots[at + lead] * (2.0 * np.pi / DAY)
    size = means.of(at, WEEK)
    return np.stack(
        (
            size,
            means.of(at, 4) - now,
            means.of(at, 24) - now,
            means.of(at, DAY) - now,
            size - now,
            values[same_time] - now,
            values[np.maximum(last_week, 0)] - now,
            now - values[at - 1],
            size * np.sin(angle),
            size * np.cos(angle),
            size * steps.off[at + lead],
        ),
        axis=1,
    )


def standard_models() -> Sequence[Model]:
    """Return the models for a load. The first is what holds while nothing is known."""
    return (
        Persistence(),
        Profile(days=7, decay_h=6.0),
        Profile(days=7, decay_h=24.0),
        Profile(days=28, decay_h=12.0, by_kind=True),
        Profile(days=14, decay_h=72.0),
        RobustRegression(),
    )


def pv_models() -> Sequence[Model]:
    """Return the models for PV: its day, as it was lately; between clouds also as it is now."""
    return (
        Profile(days=5, decay_h=2.0),
        Profile(days=14, decay_h=2.0),
        Profile(days=2, decay_h=6.0),
        Profile(days=5, decay_h=0.0),
        DayBefore(decay_h=2.0),
        Persistence(),
    )
