"""Lecture 03's exercises on the bag of words, 3.6 and 3.7: relevance of words and of local descriptors."""
import numpy as np

from .formula import formula


def word_relevance(x, support, coef, bias):
    """R⁽³⁾ for the histogram-intersection kernel.  x (V,), support (S, V), coef (S,), bias a number → (V,)"""
    import torch

    return bias / len(x) + coef @ torch.minimum(support, x)


def descriptor_relevance(R, m, p):
    """R⁽²⁾ for p-means pooling.  R (V,), m (L, V) → (L,)"""
    import torch

    power = m ** p
    total = power.sum(0)
    share = power / torch.where(total == 0, 1.0, total)
    share[:, total == 0] = 1 / len(m)  # Z(x)
    return share @ R


def _words(x, support, coef, bias, k=np.minimum, b="shared"):
    share = {"shared": bias / len(x), "none": 0, "whole": bias, "support": bias / len(support)}[b]
    return share + coef @ k(support, np.broadcast_to(x, support.shape))


def _word_cases(rng):
    made = []
    for s, v, note in ((4, 6, "four support vectors, six words"), (2, 3, "two support vectors, three words"),
                       (7, 5, "more support vectors than words")):
        x, support = rng.dirichlet(np.ones(v)), rng.dirichlet(np.ones(v), s)
        x[rng.integers(v)] = 0.0
        coef = rng.uniform(0.5, 4, s) * rng.permutation(np.resize([1, -1], s))  # both classes
        made.append({"x": x, "support": support, "coef": coef,
                     "bias": rng.choice([-1, 1]) * rng.uniform(.5, 2),
                     "note": note})
    return made


def _local(R, m, p, top=None, bottom=None, unmapped="shared"):
    """R⁽²⁾ in numpy; the arguments after p make its mistakes."""
    power, total = m ** p if top is None else top, (m ** p).sum(0) if bottom is None else bottom
    zero = (m ** p).sum(0) == 0
    share = np.divide(power, total, out=np.zeros(m.shape), where=np.broadcast_to(total != 0, m.shape))
    share[:, zero] = {"shared": 1 / len(m), "dropped": 0, "whole": 1, "words": 1 / len(R),
                      "unmapped": 1 / max(1, zero.sum())}[unmapped]
    return share @ R


def _by_speakers(R, m, p):
    speaks, zero = (m != 0).any(1), (m ** p).sum(0) == 0
    return _local(R, m, p, unmapped="dropped") + R[zero].sum() * speaks / max(1, speaks.sum())


def _local_cases(rng):
    made = []
    for n, v, p, silent, note in ((6, 5, 1, [1, 3], "sum pooling, two words that nobody speaks"),
                                  (4, 7, 3, [0, 4], "p = 3, two words that nobody speaks"),
                                  (5, 4, 2, [], "p = 2, every word is spoken"),
                                  (7, 3, 1, [], "p = 1, a mapping of both signs, as of a Fisher vector")):
        m = rng.uniform(.2, 1, (n, v)) * (rng.random((n, v)) < .7)
        m[0] = np.maximum(m[0], .3)  # every word is spoken by somebody …
        m[:, silent] = 0  # … but for these
        if p == 3:  # and one so softly that its sum is .008: small is not nobody
            m[:, 2], m[0, 2] = 0, 0.2
        if "signs" in note:
            m = rng.normal(size=(n, v))
            m[0] += 2.5 - m.sum(0)  # the sums stay away from zero
        made.append({"R": rng.normal(size=v), "m": m, "p": p, "note": note})
    m = rng.normal(size=(6, 5))
    m[0] += np.array([2.5, -2.5, 2, -3, 0]) - m.sum(0)
    m[:, 4] = 0
    m[1, 4], m[2, 4] = 1, -1  # spoken for and against: the sum is 0, and the word is in Z
    made.append({"R": rng.normal(size=5), "m": m, "p": 1,
                 "note": "a mapping of both signs, sums of both signs, one sum of 0"})
    m = rng.uniform(.3, 1, (5, 4))
    m[:, 2], m[4] = 0, 0
    made.append({"R": rng.normal(size=4), "m": m, "p": 2, "note": "a descriptor that speaks no word"})
    return made


EXERCISES = [
    formula(
        id="3.6", title="R⁽³⁾: what each word said", points=2, minutes=8, difficulty=2,
        task="Write `word_relevance(x, support, coef, bias)`: R⁽³⁾ for the histogram-intersection kernel, "
             "of a bag of words `x` (V,), with the support vectors `support` (S, V), `coef` (S,) = α_i y_i "
             "and b = `bias` → (V,).",
        library=word_relevance, cases=_word_cases, truth=_words, axes="(V,)",
        mistakes=[
            ("The bias is missing: every word gets b / V.",
             lambda x, support, coef, bias: _words(x, support, coef, bias, b="none")),
            ("Every word got the whole bias: share it, b / V.",
             lambda x, support, coef, bias: _words(x, support, coef, bias, b="whole")),
            ("The bias is shared among the V words, not among the S support vectors.",
             lambda x, support, coef, bias: _words(x, support, coef, bias, b="support")),
            ("That is the linear kernel, a product: histogram intersection takes the smaller of the two.",
             lambda x, support, coef, bias: _words(x, support, coef, bias, np.multiply)),
            ("An intersection is the smaller of the two, min, not max.",
             lambda x, support, coef, bias: _words(x, support, coef, bias, np.maximum)),
            ("α_i y_i is missing: support vectors of circles speak against.",
             lambda x, support, coef, bias: bias / len(x) + np.minimum(support, x).sum(0)),
            ("coef is α_i y_i, sign and all: no absolute values.",
             lambda x, support, coef, bias: _words(x, support, np.abs(coef), bias)),
            ("The sum over support vectors is a sum, not a mean.",
             lambda x, support, coef, bias: bias / len(x) + coef @ np.minimum(support, x) / len(support)),
            ("You summed over the words: that is each support vector's part. Sum over i, one number per "
             "word d is left.",
             lambda x, support, coef, bias: coef * np.minimum(support, x).sum(1) + bias / len(support)),
            ("That is f(x) itself: leave the sum over the words d away.",
             lambda x, support, coef, bias: bias + coef @ np.minimum(support, x).sum(1)),
            ("The sum over support vectors i is missing.",
             lambda x, support, coef, bias: coef[:, None] * np.minimum(support, x) + bias / len(x)),
        ],
        laws=[("Not conserved: Σ_d R_d must be f(x) = b + Σ_i α_i y_i Σ_d min(x_id, x_d).",
               lambda R, x, support, coef, bias: abs(
                   R.sum() - bias - coef @ np.minimum(support, x).sum(1)) < 1e-3)],
        hints=("f(x) is a double sum, over support vectors i and over words d. Turn it round: what stands "
               "behind the sum over d?",
               "torch.minimum(support, x) is (S, V): min(x_id, x_d) for all i and d at once. A vector times "
               "that matrix sums over i.",
               "return bias / len(x) + coef @ torch.minimum(support, x)"),
        insight="Nothing was approximated: the kernel is a sum over words, so the score is one too."),
    formula(
        id="3.7", title="R⁽²⁾: who said the word", points=3, minutes=12, difficulty=2,
        task="Write `descriptor_relevance(R, m, p)`: R⁽²⁾ for p-means pooling from R⁽³⁾ `R` (V,) and the "
             "mapping `m` (L, V) of L descriptors → (L,), in proportion to m^p. A word whose Σ_l m^p is 0 "
             "(Z) is shared by all alike.",
        library=descriptor_relevance, cases=_local_cases, truth=_local, axes="(L,)",
        mistakes=[
            ("The words in Z were dropped: their relevance is lost, and the sum with it. Share it among all "
             "L.",
             lambda R, m, p: _local(R, m, p, unmapped="dropped")),
            ("Every descriptor got all of a word in Z: 1/L of it.",
             lambda R, m, p: _local(R, m, p, unmapped="whole")),
            ("A word in Z is shared among the L descriptors, not divided by the number of words.",
             lambda R, m, p: _local(R, m, p, unmapped="words")),
            ("A word in Z is shared among the L descriptors, not divided by the size of Z.",
             lambda R, m, p: _local(R, m, p, unmapped="unmapped")),
            ("A word is in Z where its sum is 0, not where it is negative.",
             lambda R, m, p: _local(R, m, p, bottom=np.where((m ** p).sum(0) > 0, (m ** p).sum(0), np.inf))
             + R[(m ** p).sum(0) < 0].sum() / len(m)),
            ("The mapping may be negative: do not cut it off at 0, a descriptor may speak against its word.",
             lambda R, m, p: _local(R, np.maximum(m, 0), p)),
            ("The denominator keeps its sign: where a word's sum is negative, so are these shares.",
             lambda R, m, p: _local(R, m, p, bottom=np.abs((m ** p).sum(0)))),
            ("A word in Z is shared by all L descriptors, also by those that speak no word.", _by_speakers),
            ("p is forgotten: raise m to the power p, above and below.", lambda R, m, p: _local(R, m, 1)),
            ("p is missing in the denominator: Σ_l' m^p.", lambda R, m, p: _local(R, m, p, bottom=m.sum(0))),
            ("p is missing in the numerator: m^p.", lambda R, m, p: _local(R, m, p, top=m)),
            ("The denominator is the sum of the powers, not the power of the sum.",
             lambda R, m, p: _local(R, m, p, bottom=m.sum(0) ** p)),
            ("The shares are powers m^p; the root 1/p belongs to pooling alone.",
             lambda R, m, p: _local(R, m, p, top=np.abs(m), bottom=np.abs((m ** p).sum(0)) ** (1 / p))),
            ("The denominator runs over descriptors l' that speak the same word, not over words.",
             lambda R, m, p: _local(R, m, p, bottom=(m ** p).sum(1, keepdims=True))),
            ("Shares keep their sign: no absolute values, a descriptor may speak against its word.",
             lambda R, m, p: _local(R, np.abs(m), p)),
            ("Every descriptor got the same: share each word in proportion to m^p.",
             lambda R, m, p: np.full(len(m), R.mean())),
            ("Every descriptor got the same: share each word in proportion to m^p.",
             lambda R, m, p: np.full(len(m), R.sum() / len(m))),
            ("The sum over the words d is missing.",
             lambda R, m, p: np.divide(m ** p, (m ** p).sum(0), out=np.zeros(m.shape),
                                       where=(m ** p).sum(0) != 0) * R),
            ("You summed over the descriptors: that gives R⁽³⁾ back. Sum over the words.",
             lambda R, m, p: R.copy()),
        ],
        laws=[("Not conserved: Σ_l R_l must be Σ_d R_d.",
               lambda out, R, m, p: abs(out.sum() - R.sum()) < 1e-3)],
        hints=("Make a table of shares (L, V): how much of word d does descriptor l get? Each column adds "
               "up to 1.",
               "Columns of words that nobody speaks have the sum 0: put 1/L there instead of 0/0. Then "
               "share @ R sums over the words.",
               "power = m ** p; total = power.sum(0); share = power / torch.where(total == 0, 1.0, total); "
               "share[:, total == 0] = 1 / len(m); return share @ R"),
        insight="For large p the shares become an indicator of the largest: what max-pooling heard, one "
                "descriptor said."),
]
