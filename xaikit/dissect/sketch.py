"""Quantiles of many streams at once in bounded memory: a cascade of buffers that throw half away when full.

Manku, Rajagopalan, Lindsay 1998, section 3, with the random halves of Karnin, Lang, Liberty 2016, section 2.
"""
import math

import torch


class QuantileSketch:
    """Quantiles of ``units`` streams of equal length, all units at once; keeps < units · size · (1 + log₂(n / size)).

    Level h holds values that stand for 2^h each.  A level with ``size`` values or more is sorted, every second
    value goes up one level, the rest is forgotten; a coin says whether the odd or the even ones.  For any x that
    moves the number of values below x by −2^h, 0 or 2^h, and by 0 on average: the errors are independent and
    cancel.  `error` states the bound that follows; nothing is lost before ``size`` values have come.
    """

    def __init__(self, units, size=4096, seed=0):
        if units < 1 or size < 2:
            raise ValueError(f"a sketch needs a unit or more and two values or more, not {units} and {size}")
        self.size, self.count = size, 0
        self.levels = [torch.empty(units, 0)]
        self.moves = []  # how often each level was halved
        self._coin = torch.Generator().manual_seed(seed)

    def add(self, values):
        """Take in values (units, m), m new ones for each unit.  ValueError for another shape, NaN or infinity."""
        if values.ndim != 2 or len(values) != len(self.levels[0]):
            raise ValueError(f"values are ({len(self.levels[0])}, m), not {tuple(values.shape)}")
        if not values.isfinite().all():
            raise ValueError("the values are not all finite")
        self.count += values.shape[1]
        block, level = torch.cat([self.levels[0].to(values), values.detach()], 1), 0
        while block.shape[1] >= self.size:  # however long the block is, halving it moves ranks by 2^level at most
            odd = block.shape[1] % 2
            self.levels[level], block = block[:, :odd].clone(), block[:, odd:].sort(1).values
            if level == len(self.moves):
                self.moves.append(0)
                self.levels.append(block[:, :0])
            self.moves[level] += 1
            coin = int(torch.randint(2, (), generator=self._coin))
            level += 1
            block = torch.cat([self.levels[level], block[:, coin::2]], 1)
        self.levels[level] = block

    def quantile(self, q):
        """The smallest value kept with a share ≥ q of all values at or below it: (units,), or (units, Q) for Q shares.

        ValueError for q outside [0, 1] or before any value has come.
        """
        shares = torch.as_tensor(q, dtype=torch.float64)
        if not self.count:
            raise ValueError("the sketch has seen no value yet")
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(f"a quantile is a share in [0, 1], not {q!r}")
        values, order = torch.cat(self.levels, 1).sort(1)
        weights = torch.cat([torch.full((b.shape[1],), 2.0**h, dtype=torch.float64)
                             for h, b in enumerate(self.levels)]).to(values.device)
        below = weights[order].cumsum(1)
        # 1e-9: 0.995 · 1000 is 995.0000000001 in floating point
        wanted = (shares.reshape(1, -1).to(values.device) * self.count - 1e-9).expand(len(values), -1).contiguous()
        found = values.gather(1, torch.searchsorted(below, wanted).clamp_max(values.shape[1] - 1))
        return found if shares.ndim else found[:, 0]

    def error(self, confidence=0.99):
        """The bound on the error in rank, as a share of all values: at any one x it is exceeded with a probability
        of 1 − ``confidence`` at most; ``confidence=1`` gives the bound that nothing exceeds.

        By Hoeffding's inequality √(2 ln(2 / (1 − confidence)) Σ_h m_h 4^h) / n, with m_h halvings of level h: as
        m_h ≤ n / (size · 2^h), 2 √(ln(2 / (1 − confidence))) / size at most (4.6 / size for 0.99) for a stream of any
        length, and less in long pieces.  Never exceeded: Σ_h m_h 2^h / n.
        """
        if not 0 < confidence <= 1:
            raise ValueError(f"a confidence lies in (0, 1], not {confidence!r}")
        surely = sum(m * 2**h for h, m in enumerate(self.moves))
        if confidence < 1:
            squares = sum(m * 4**h for h, m in enumerate(self.moves))
            surely = min(surely, math.sqrt(2 * math.log(2 / (1 - confidence)) * squares))
        return surely / max(1, self.count)
