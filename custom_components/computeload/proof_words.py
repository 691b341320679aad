"""What the checks found, in sentences."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations

from .const import DOMAIN
from .core.proof import Check, Finding, Fix, Verdict

_MARKS: Final = {Verdict.PASSED: "✅", Verdict.FAILED: "❌", Verdict.WAITING: "⏳"}
_UNITS: Final[Mapping[str, tuple[float, str]]] = {
    "_w": (0.001, ".2f"),
    "_s": (1.0, ".1f"),
}
"""How figures are shown, by the unit in their name: powers in kW."""

type NameOf = Callable[[str], str]


async def _async_words(hass: HomeAssistant) -> Callable[[str, str], str]:
    words = await async_get_translations(hass, hass.config.language, "selector", {DOMAIN})
    return lambda table, key: words[f"component.{DOMAIN}.selector.{table}.options.{key}"]


def _filled(sentence: str, figures: Mapping[str, float]) -> str:
    shown = {}
    for name, value in figures.items():
        factor, form = _UNITS.get(name[-2:], (1.0, ".0f"))
        shown[name.removesuffix("_w").removesuffix("_s")] = format(factor * value, form)
    return sentence.format(**shown)


async def async_sentence(hass: HomeAssistant, finding: Finding) -> str:
    """Return what one finding says."""
    words = await _async_words(hass)
    return _filled(words("proof", finding.key), finding.figures)


async def async_lines(
    hass: HomeAssistant, findings: Iterable[Finding], name_of: NameOf
) -> list[str]:
    """Return findings one by one, with the names of their devices."""
    words = await _async_words(hass)
    return [
        f"- {name_of(f.asset_id)}: {_filled(words('proof', f.key), f.figures)}" for f in findings
    ]


async def async_report(
    hass: HomeAssistant,
    findings: Iterable[Finding],
    blockers: Collection[Finding],
    name_of: NameOf,
) -> str:
    """Return all findings in Markdown, device by device.

    In full is what fails, and what control waits for; the rest is named only.
    """
    words = await _async_words(hass)
    by_asset: dict[str, list[Finding]] = {}
    for finding in findings:
        by_asset.setdefault(finding.asset_id, []).append(finding)
    headline = words("proof_headline", "missing" if blockers else "ready")
    blocks = [f"{_MARKS[Verdict.WAITING if blockers else Verdict.PASSED]} {headline}"]
    for asset_id, found in by_asset.items():
        lines = [f"**{name_of(asset_id)}**"]
        in_full = [f for f in found if f.verdict is Verdict.FAILED or f in blockers]
        lines += [
            f"{_MARKS[f.verdict]} {_filled(words('proof', f.key), f.figures)}" for f in in_full
        ]
        for verdict in (Verdict.PASSED, Verdict.WAITING):
            named = [f.check for f in found if f.verdict is verdict and f not in in_full]
            if named:
                checks = ", ".join(words("proof_check", check) for check in named)
                lines.append(f"{_MARKS[verdict]} {checks}")
        blocks.append("\n\n".join(lines))
    skipped = {f.key for found in by_asset.values() for f in found if f.check is Check.CLOCK}
    blocks += [words("proof", key) for key in sorted(skipped)]
    return "\n\n".join(blocks)


def fix_word(fix: Fix) -> str:
    """Return the key of the sentence that says what a fix does."""
    change = fix.change
    words = {
        "swap_roles": fix.swap_with is not None,
        "turn_phase": min(change.phase_signs) < 0,
        "invert_command": change.command_sign < 0,
        "invert": change.sign < 0,
        "swap_counters": change.swap_counters,
        "scale_power": change.scale != 1.0,
        "scale_counters": change.counter_scale != 1.0,
    }
    return next(word for word, applies in words.items() if applies)


async def async_fix_label(hass: HomeAssistant, fix: Fix, name_of: NameOf) -> str:
    """Return what a fix does, for the one who decides."""
    words = await _async_words(hass)
    factor = fix.change.scale if fix.change.scale != 1.0 else fix.change.counter_scale
    sentence = words("proof_fix", fix_word(fix)).format(
        factor=f"{factor:g}",
        other=name_of(fix.swap_with) if fix.swap_with is not None else "",
        phase="123"[fix.change.phase_signs.index(-1)] if -1 in fix.change.phase_signs else "",
    )
    return f"{name_of(fix.asset_id)}: {sentence}"
