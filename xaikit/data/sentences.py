"""Short made-up film reviews in which it is known what every word is worth."""
import re
import zlib

import numpy as np
import torch

from .dataset import Dataset, check_count, check_split

LENGTH = 32  # words in a row of tokens, padding included
PAD, UNKNOWN = "<pad>", "<unk>"
ADJECTIVES = {2: "superb brilliant wonderful moving delightful", 1: "good fine charming clever funny fresh warm",
              -1: "bad dull weak boring clumsy flat silly", -2: "awful terrible dreadful unbearable pathetic"}
VERBS = {2: "love adore", 1: "like enjoy admire", -1: "dislike regret resent", -2: "hate despise"}
DEGREES = {2.0: "very truly extremely really", 0.5: "somewhat slightly rather"}
_ASPECTS = "acting plot story dialogue music ending camera cast pacing humour script direction".split()
_KINDS = "film movie comedy thriller drama western musical".split()
_NEUTRAL = "old long short local quiet early red".split()
_NEGATED = ("not", "never", "hardly")
_DISTRACTORS = [
    "the {kind} was shot in {place}", "it runs for {number} hours", "the {aspect} is by a {neutral} friend",
    "i saw it on {day}", "my {person} saw it with me", "the {kind} was not shot in {place}",
    "we sat in a very {neutral} cinema", "it never runs on {day}", "the {neutral} {kind} is set in {place}",
    "there is a rather {neutral} train in it", "the {person} of the hero is not {neutral}",
]
_WORDS = {"place": "paris oslo texas winter space".split(), "number": "two three four".split(),
          "day": "monday sunday friday".split(), "person": "sister brother mother neighbour".split(),
          "neutral": _NEUTRAL, "kind": _KINDS, "aspect": _ASPECTS}
_OPINIONS = ["the {aspect} {is} {said}", "{a} {said} {kind}", "it has {a} {said} {aspect}", "i {do} the {aspect}",
             "i {do} this {kind}"]


def _values(table):
    return {word: value for value, words in table.items() for word in words.split()}


VALUE, DEGREE = _values(ADJECTIVES) | _values(VERBS), _values(DEGREES)
_ADJECTIVES, _VERBS, _DEGREES = (list(_values(t)) for t in (ADJECTIVES, VERBS, DEGREES))


def _vocabulary():
    templates = " ".join(_DISTRACTORS + _OPINIONS)
    fixed = set(re.sub(r"\{\w+\}", " ", templates).split())
    drawn = {w for words in _WORDS.values() for w in words}
    return [PAD, UNKNOWN] + sorted(fixed | drawn | set(VALUE) | set(DEGREE) | set(_NEGATED)
                                   | {"is", "was", "a", "an", "did", "and", "but", ".", ","})


VOCABULARY = _vocabulary()
_ID = {word: i for i, word in enumerate(VOCABULARY)}


def sentences(n=None, split="train", seed=0):
    """``n`` different reviews of one to three clauses (4,000 to train on, 1,000 to test on), labels 0 negative, 1 positive.

    A clause is an opinion — "the plot is not very clever", "i never enjoy the music" — or a distractor that says nothing
    about the film, though it may hold a negation or a degree ("it was not shot in paris", "a very old cinema").

    **The truth.**  An opinion of value v ∈ {±1, ±2} (``VALUE``), with a degree d ∈ {2, ½} (``DEGREE``, 1 if there is
    none), is worth d·v, and −d·v if negated.  The score of a sentence is the sum over its opinions, never 0, and the
    label says whether it is positive.  ``weights`` (n, 32) are the words' exact Shapley values for the score, where a
    word that is left out is simply not there: with a = d − 1 and b = −2 (0 where there is no such word)

        opinion  v(1 + a/2 + b/2 + ab/3)      degree  v(a/2 + ab/3)      negation  v(b/2 + ab/3)

    and 0 for every other word.  In "not good" the negation has −1 and "good" 0; in "very good" it is ½ and 1½.  They sum
    to the score.  ``factors``: text, score, and how many opinions, negations, degrees and distractors there are (a
    negation or degree in a distractor is not counted: it is part of the distractor).

    Whether a sentence belongs to "train" or "test" follows from its text alone: no seed lets one into both.
    """
    check_split(split)
    n = {"train": 4000, "test": 1000}[split] if n is None else n
    check_count(n)
    import pandas as pd

    rng = np.random.default_rng([seed, split == "test"])
    seen, rows, tokens, weights = set(), [], torch.zeros(n, LENGTH, dtype=torch.int64), torch.zeros(n, LENGTH)
    misses = 0
    while len(rows) < n:
        words, worth, counts = _sentence(rng)
        text = " ".join(words)
        score = sum(worth)
        if abs(score) < 1e-6 or text in seen or (zlib.crc32(text.encode()) % 5 == 0) != (split == "test"):
            misses += 1
            if misses > 100 * n + 10_000:
                raise ValueError(f"the grammar does not have {n} different sentences for {split!r}")
            continue
        seen.add(text)
        i, k = len(rows), len(words)
        tokens[i, :k] = torch.tensor([_ID[w] for w in words])
        weights[i, :k] = torch.tensor(worth)
        rows.append({"text": text, "score": round(score, 6), **counts})
    factors = pd.DataFrame(rows)
    return Dataset(tokens=tokens, labels=torch.from_numpy((factors.score > 0).to_numpy().astype(np.int64)),
                   classes=["negative", "positive"], vocabulary=list(VOCABULARY), lengths=(tokens > 0).sum(1),
                   weights=weights, factors=factors, name=f"sentences ({split})")


def encode(text, length=LENGTH):
    """Token ids (1, length) of a sentence; words that the grammar does not have become "<unk>".

    ValueError if there is no word in it, or more than ``length``.
    """
    words = re.findall(r"[a-z0-9'<>]+|[.,]", text.lower())
    if not 0 < len(words) <= length:
        raise ValueError(f"a sentence has 1 to {length} words, not {len(words)}: {text!r:.80}")
    ids = torch.zeros(1, length, dtype=torch.int64)
    ids[0, :len(words)] = torch.tensor([_ID.get(w, _ID[UNKNOWN]) for w in words])
    return ids


def decode(ids):
    """The words of one row of token ids (T,), without the padding."""
    return [VOCABULARY[i] for i in ids.tolist() if i]


def _sentence(rng):
    opinions, distractors = int(rng.choice([1, 2, 3], p=[.45, .4, .15])), int(rng.choice([0, 1, 2], p=[.4, .45, .15]))
    distractors = min(distractors, 3 - opinions)
    clauses = [_opinion(rng) for _ in range(opinions)]
    clauses += [_distractor(rng) for _ in range(distractors)]
    words, worth = [], []
    for place, c in enumerate(rng.permutation(len(clauses))):
        joint = [] if place == 0 else [_pick(rng, ["and", "but", ","])]
        words += joint + clauses[c][0]
        worth += [0.0] * len(joint) + clauses[c][1]
    return words + ["."], worth + [0.0], {
        "opinions": opinions, "negations": sum(c[2] for c in clauses), "degrees": sum(c[3] for c in clauses),
        "distractors": distractors}


def _opinion(rng):
    """(words, what each is worth, whether it is negated, whether it has a degree)."""
    negated, graded = bool(rng.random() < .35), bool(rng.random() < .35)
    template = _pick(rng, _OPINIONS)
    verb = "{do}" in template
    opinion, negation = _pick(rng, _VERBS if verb else _ADJECTIVES), _pick(rng, _NEGATED)
    degree = _pick(rng, _DEGREES)
    credit = dict(zip(("opinion", "degree", "negation"),
                      shapley(VALUE[opinion], DEGREE[degree] if graded else 1.0, negated), strict=True))
    said = ([(degree, credit["degree"])] if graded else []) + [(opinion, credit["opinion"])]
    no = [(negation, credit["negation"])] if negated else []
    if verb and negated and negation == "not":
        no = [("did", 0.0)] + no
    slots = {"said": no + said, "do": no + said, "is": [(_pick(rng, ["is", "was"]), 0.0)], "a": [("a", 0.0)]}
    if "{a}" in template:  # "not a very good film": the negation stands before the article
        slots |= {"a": no + [("a", 0.0)], "said": said}
    return *_fill(rng, template, slots), negated, graded


def _distractor(rng):
    return *_fill(rng, _pick(rng, _DISTRACTORS), {}), False, False


def _fill(rng, template, slots):
    pairs = []
    for part in template.split():
        name = part.strip("{}")
        if part == name:
            pairs.append((part, 0.0))
        else:
            pairs += slots[name] if name in slots else [(_pick(rng, _WORDS[name]), 0.0)]
    words, following = [w for w, _ in pairs], [w for w, _ in pairs[1:]] + ["."]
    words = ["an" if w == "a" and after[0] in "aeiou" else w for w, after in zip(words, following, strict=True)]
    return words, [float(v) for _, v in pairs]


def shapley(value, degree=1.0, negated=False):
    """Shapley values of (opinion, degree, negation) in the game value · degree · (−1 if negated); Shapley 1953.

    The game is v(1 + a)(1 + b) with a = degree − 1, b = −2: every product of the sum is shared by its players alike.
    """
    a, b = degree - 1, -2.0 * negated
    return value * (1 + a / 2 + b / 2 + a * b / 3), value * (a / 2 + a * b / 3), value * (b / 2 + a * b / 3)


def _pick(rng, choices):
    return choices[int(rng.integers(len(choices)))]
