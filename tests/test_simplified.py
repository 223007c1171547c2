"""The simplified language: the recipe, checked against the counts it is made from."""

import numpy as np
import pytest
from ntputils import load_labels
from ntputils.simplified import _dictionary, _originals


@pytest.fixture(scope="module")
def stories():
    return load_labels("tinystories-counts")


@pytest.fixture(scope="module")
def labels():
    return load_labels("simplified-tinystories", seed=0)


def support(labels, j):
    return frozenset(labels.vocab[z] for z in labels.P[:, [j]].indices)


def test_next_words_that_are_rare_do_not_count(stories):
    """At least 3 % of the occurrences, and at least two where there are eight next words or more; by loops."""
    kept = {}
    for j in np.argsort(-np.rint(stories.pi * stories.n), kind="stable")[:100]:
        column = stories.P[:, [j]].tocoo()
        total = round(stories.pi[j] * stories.n)
        seen = {int(z): round(p * total) for z, p in zip(column.coords[0], column.data)}
        least = max(0.03 * total, 2 if len(seen) >= 8 else 1)
        kept[stories.context(j)] = {z for z, count in seen.items() if count >= least}
    found = _originals(stories)
    assert len(found) > 20 and any(len(tokens) < 8 for _, tokens, _ in found) and any(len(tokens) >= 8 for _, tokens, _ in found)
    for context, tokens, _ in found:
        assert set(tokens.tolist()) == kept[context]


def test_size_is_near_the_papers(labels):
    """Their set: V = 104, m = 403, n = 5110, mean support 5.05, rank of the centred support 31."""
    assert labels.m == 404 and 90 <= labels.V <= 120 and len(set(labels.contexts)) == 404
    assert 4.5 <= labels.support_sizes.mean() <= 5.5 and 28 <= len(labels.merge_supports()[2]) <= 36
    assert labels.n == pytest.approx(2.5 * labels.P.nnz, rel=0.05)       # the mean of 1, 2, 3, 4


def test_variants_change_words_of_the_dictionary_and_inherit_the_support(labels, stories):
    """Every context differs from some original, in its group, only by words that the dictionary allows."""
    number = {stories.context(j): j for j in range(stories.m)}
    dictionary, original = _dictionary(), None
    for j, context in enumerate(labels.contexts):
        words = context.split()
        fits = original is not None and all(a == b or b in dictionary.get(a, ()) for a, b in zip(original, words))
        if not (fits and support(labels, j) == inherited):
            original, inherited = words, support(labels, j)
            seen = {stories.vocab[z] for z in stories.P[:, [number[context]]].indices}
            assert inherited <= seen and len(inherited) > 1
    assert len(labels.merge_supports()[2]) > 25


def test_the_uniform_draw_is_uniform(labels):
    counts = np.rint(labels.P.data * np.repeat(labels.pi * labels.n, labels.support_sizes)).astype(int)
    seen = np.bincount(counts, minlength=6)
    expected = labels.P.nnz / 4
    assert seen[0] == seen[5] == 0
    assert ((seen[1:5] - expected)**2 / expected).sum() < 16.3        # chi-squared, 3 degrees of freedom, p = 0.001


def test_only_the_counts_depend_on_the_draw(labels):
    again, other = (load_labels("simplified-tinystories", seed=seed) for seed in (0, 1))
    true = load_labels("simplified-tinystories", draw="frequencies")
    assert np.array_equal(again.P.data, labels.P.data) and not np.array_equal(other.P.data, labels.P.data)
    for one in (other, true):
        assert (one.S != labels.S).nnz == 0 and one.contexts == labels.contexts and one.vocab == labels.vocab
    assert true.entropy() < labels.entropy()


def test_fewer_contexts_are_the_most_frequent_originals(stories):
    small = load_labels("simplified-tinystories", contexts=3)
    assert small.contexts[0] == stories.context(0) and small.m == 3


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"draw": "true"}, ValueError, "want 'uniform' or 'frequencies'"),
    ({"contexts": 10**6}, ValueError, "contexts: got 1000000, want at most"),
    ({"contexts": 0}, ValueError, "contexts: got 0"),
    ({"size": 3}, TypeError, "size"),
])
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        load_labels("simplified-tinystories", **options)
