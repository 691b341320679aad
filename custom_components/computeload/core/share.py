"""Sharing one power among several batteries."""

from collections.abc import Sequence


def share(power_w: float, weights: Sequence[float], caps_w: Sequence[float]) -> list[float]:
    """Split ``power_w`` in proportion to ``weights``, nobody above its cap.

    What one battery cannot take falls to the others (water-filling), so the sum is the
    lesser of ``power_w`` and the sum of the caps of those with weight. All inputs are
    finite and not negative; the weights are the energies that each battery has left.
    """
    parts = [0.0] * len(weights)
    open_ones = [i for i, weight in enumerate(weights) if weight > 0.0 and caps_w[i] > 0.0]
    rest_w = power_w
    while open_ones and rest_w > 0.0:
        total = sum(weights[i] for i in open_ones)
        full = [i for i in open_ones if rest_w * (weights[i] / total) >= caps_w[i]]
        if not full:
            for i in open_ones:
                parts[i] = rest_w * (weights[i] / total)
            break
        for i in full:
            parts[i] = caps_w[i]
            rest_w -= caps_w[i]
        open_ones = [i for i in open_ones if i not in full]
    return parts
