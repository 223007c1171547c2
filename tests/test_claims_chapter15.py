"""Every claim of chapter 15, measured by other code on small problems: honest input holds, perturbed input fails.

Four claims fail in the chapter (15.4, 15.12, 15.13, 15.18). Here each is seen to hold on an input for which it should.
"""

import numpy as np
import pytest
from scipy import linalg, stats

from ntputils import (build_model, candidate_geometries, claim, fit, lambda_max, load_labels, regularization_path,
                      solve_ntp_svm, train_ufm)

COVERED = {f"15.{i}" for i in range(1, 32)}
SEEDS = range(5)


def verdict(id_, measured):
    return claim(id_, measured).verdict


def cosines(X):
    X = X / np.maximum(np.linalg.norm(X, axis=0), 1e-300)
    return X.T @ X


def pairs(A):
    return A[np.triu_indices(len(A), 1)]


def pearson(A, B):
    return stats.pearsonr(pairs(A), pairs(B)).statistic


def block_means(A, groups):
    names = sorted(set(groups))
    return np.array([[np.mean([A[i, j] for i in np.flatnonzero(groups == g) for j in np.flatnonzero(groups == h)])
                      for h in names] for g in names])


def shuffled_p(A, B, rng, times=999):
    """Mantel's p. Shuffling leaves the pairs' means and deviations, so that their products decide."""
    a, (rows, columns) = pairs(A) - pairs(A).mean(), np.triu_indices(len(A), 1)
    orders = [rng.permutation(len(B)) for _ in range(times)]
    null = np.array([a @ B[o[rows], o[columns]] for o in orders])
    return (1 + np.sum(null >= a @ pairs(B) - 1e-9)) / (1 + times)


def lower(values):
    """The lower end of a bootstrap interval of the mean."""
    rng = np.random.default_rng(0)
    values = np.asarray(values)
    return np.quantile(rng.choice(values, size=(4000, len(values))).mean(axis=1), 0.025)


# --- what chance gives -------------------------------------------------------------------------------------------


def test_15_1():
    rng = np.random.default_rng(1)
    A, B = (cosines(rng.normal(size=(7, 20)) + shift) for shift in (0, 0.4))
    s = np.cov(A.ravel(), B.ravel(), ddof=0)[0, 1] / A.std(ddof=1) / B.std(ddof=1)
    x, y = (np.sqrt(20) * pairs(X).std() / (1 - pairs(X).mean()) for X in (A, B))
    value = (1 + pearson(A, B) * x * y) / np.sqrt((1 + x * x) * (1 + y * y))
    assert verdict("15.1", abs(s - (1 - 1 / 400) * value)) == "holds"
    assert verdict("15.1", abs(s - value)) == "fails"


def whole(X, Y):
    return np.corrcoef(cosines(X).ravel(), cosines(Y).ravel())[0, 1] * (1 - X.shape[1]**-2)


def alignment(X, Y, centre=True):
    K, L = ((X - centre * X.mean(axis=1, keepdims=True)).T for X in (X, Y))
    K, L = K @ K.T, L @ L.T
    return np.vdot(K, L) / np.linalg.norm(K) / np.linalg.norm(L)


@pytest.mark.parametrize("id_, measure", [("15.2", whole), ("15.7", alignment)])
def test_15_2_15_7(id_, measure):
    rng = np.random.default_rng(2)

    def distance(shift, **options):
        return max(abs(np.mean([measure(*(rng.normal(size=(32, n)) + shift for _ in "ab"), **options)
                                for _ in range(200)]) * (32 + n) / 32 - 1) for n in (16, 60))

    assert verdict(id_, distance(0)) == "holds"
    assert verdict(id_, distance(0.5, **({"centre": False} if id_ == "15.7" else {}))) == "fails"


def worlds(name, rng):
    noise = rng.normal(size=(16, 30))
    return {"uniform": noise, "tail": noise / np.arange(1, 17)[:, None], "shared": noise + 1,
            "trios": np.repeat(noise[:, :10], 3, axis=1)}[name]


def test_15_3():
    def spread(name):
        rng = np.random.default_rng(3)
        return np.std([pearson(*(cosines(worlds(name, rng)) for _ in "ab")) for _ in range(200)]) * np.sqrt(30 * 29 / 2)

    assert verdict("15.3", spread("uniform")) == "holds"
    assert verdict("15.3", spread("shared")) == "fails"


def naive(name):
    """How often a table of Pearson's correlation says p <= 0.05."""
    rng, t = np.random.default_rng(4), stats.norm.ppf(0.95) / np.sqrt(30 * 29 / 2)
    return np.mean([pearson(*(cosines(worlds(name, rng)) for _ in "ab")) > t for _ in range(400)])


def test_15_4_15_27():
    assert verdict("15.4", naive("tail")) == "fails"         # as in the chapter: directions are symmetric
    assert verdict("15.4", naive("shared")) == "holds"
    assert verdict("15.27", naive("shared")) == "holds"
    assert verdict("15.27", naive("uniform")) == "fails"


def test_15_5():
    def rate(name, step):
        rng = np.random.default_rng(5)
        draws = [[cosines(worlds(name, rng))[::step, ::step] for _ in "ab"] for _ in range(150)]
        return np.mean([shuffled_p(*two, rng, times=39) <= 0.05 for two in draws])

    assert verdict("15.5", max(rate("tail", 1), rate("trios", 3))) == "holds"
    assert verdict("15.5", rate("trios", 1)) == "fails"


def test_15_6():
    counts = solve_ntp_svm(load_labels("simplified-tinystories", seed=0).S, tol=1e-3).counts
    groups, rng = np.repeat(np.arange(len(counts)), counts), np.random.default_rng(6)
    alike = np.mean(pairs((groups[:, None] == groups).astype(float)))
    mean = np.mean([pearson(*(cosines(rng.normal(size=(64, len(counts))))[np.ix_(groups, groups)] for _ in "ab"))
                    for _ in range(40)])
    assert verdict("15.6", abs(mean - 64 * alike / (1 + 64 * alike))) == "holds"
    assert verdict("15.6", abs(mean - 32 * alike / (1 + 32 * alike))) == "fails"


# --- trained vectors ---------------------------------------------------------------------------------------------


class Trained:
    """A simplified TinyStories of 102 contexts, trained five times, with what is predicted."""

    def __init__(self, draw, **options):
        self.labels = load_labels("simplified-tinystories", seed=5, contexts=102, draw=draw)
        self.S = self.labels.S.toarray()
        self.groups = {"contexts": np.unique(self.S, axis=1, return_inverse=True)[1].ravel(),
                       "words": np.unique(self.S, axis=0, return_inverse=True)[1].ravel()}
        self.solution = solve_ntp_svm(self.S, tol=1e-7)
        self.runs = [train_ufm(self.labels, d=64, rng=np.random.default_rng(100 + k), **options) for k in SEEDS]
        self.rivals = {name: {"contexts": self.between(H, "contexts"), "words": self.between(W.T, "words")}
                       for name, (W, H) in candidate_geometries(self.labels, self.solution).items()}

    def between(self, X, what):
        """Mean cosines between groups: the indicator's least squares instead of a loop, checked below."""
        member = (self.groups[what][:, None] == np.unique(self.groups[what])).astype(float)
        half = np.linalg.lstsq(member, cosines(X), rcond=None)[0]
        return np.linalg.lstsq(member, half.T, rcond=None)[0]

    def geometry(self, run, k, what):
        return self.between(run.H[k] if what == "contexts" else run.W[k].T, what)


@pytest.fixture(scope="module")
def drawn():
    return Trained("uniform", steps=600, lr=1e-2, optimizer="adam", snapshots=[600])


@pytest.fixture(scope="module")
def slow():
    labels = load_labels("simplified-tinystories", seed=5, contexts=102, draw="frequencies")
    return Trained("frequencies", steps=800, lr=0.4 / lambda_max(labels), init_scale=1e-3,
                   snapshots=[*range(4, 40, 3), 800])


def test_block_means(drawn):
    X, groups = drawn.runs[0].H[-1], drawn.groups["contexts"]
    assert drawn.between(X, "contexts") == pytest.approx(block_means(cosines(X), groups), abs=1e-10)


@pytest.mark.parametrize("id_, what", [("15.8", "contexts"), ("15.9", "words")])
def test_15_8_15_9(drawn, id_, what):
    rng, predicted = np.random.default_rng(8), drawn.rivals["NTP-SVM"][what]
    ours = [drawn.geometry(run, -1, what) for run in drawn.runs[:2]]
    assert verdict(id_, max(shuffled_p(A, predicted, rng) for A in ours)) == "holds"
    order = rng.permutation(len(predicted))
    assert verdict(id_, shuffled_p(ours[0][np.ix_(order, order)], predicted, rng, times=99)) == "fails"


def test_15_10(drawn):
    rng = np.random.default_rng(10)
    reader = fit(build_model("mean", drawn.labels, d=32, seed=0), drawn.labels, steps=100, lr=3e-2, snapshots=2)
    p = [shuffled_p(drawn.geometry(reader, -1, what), drawn.rivals["NTP-SVM"][what], rng) for what in drawn.groups]
    assert verdict("15.10", max(p)) == "holds"
    order = rng.permutation(len(drawn.rivals["NTP-SVM"]["words"]))
    blind = drawn.geometry(reader, -1, "words")[np.ix_(order, order)]
    assert verdict("15.10", shuffled_p(blind, drawn.rivals["NTP-SVM"]["words"], rng, times=99)) == "fails"


def test_15_11(drawn):
    growth = [[pearson(drawn.geometry(run, -1, what), drawn.rivals["NTP-SVM"][what])
               - pearson(drawn.geometry(run, 0, what), drawn.rivals["NTP-SVM"][what]) for run in drawn.runs]
              for what in drawn.groups]
    assert verdict("15.11", min(map(lower, growth))) == "holds"
    assert verdict("15.11", min(lower(-np.array(g)) for g in growth)) == "fails"


def lead(trained, k, what, one, other):
    """How much better one candidate predicts than another, seed by seed."""
    return np.array([pearson(trained.geometry(run, k, what), trained.rivals[one][what])
                     - pearson(trained.geometry(run, k, what), trained.rivals[other][what]) for run in trained.runs])


def test_15_12(slow):
    found = [lead(slow, -1, what, "NTP-SVM", "frequencies") for what in slow.groups]
    assert verdict("15.12", min(map(lower, found))) == "holds"   # true frequencies; drawn counts are level in the chapter
    assert verdict("15.12", min(lower(-x) for x in found)) == "fails"


def test_15_13(slow):
    assert verdict("15.13", lower(lead(slow, -1, "contexts", "frequencies", "NTP-SVM"))) == "fails"
    assert verdict("15.13", lower(lead(slow, 4, "words", "frequencies", "NTP-SVM"))) == "holds"


def test_15_14_15_15_15_22_15_25():
    assert {verdict(id_, 0.1) for id_ in ("15.14", "15.15", "15.22", "15.25")} == {"open"}


def overlaps(S, groups):
    sets = [set(np.flatnonzero(S[:, np.flatnonzero(groups == g)[0]])) for g in np.unique(groups)]
    return np.array([[len(a & b) for b in sets] for a in sets]), np.array([len(a) for a in sets])


def ranks(A):
    full = np.zeros(A.shape)
    full[np.triu_indices(len(A), 1)] = stats.rankdata(pairs(A))
    return full + full.T


def test_15_16(drawn):
    rng = np.random.default_rng(16)
    common = ranks(overlaps(drawn.S, drawn.groups["contexts"])[0])
    ours = ranks(drawn.geometry(drawn.runs[0], -1, "contexts"))
    assert verdict("15.16", shuffled_p(ours, common, rng)) == "holds"
    order = rng.permutation(len(common))
    assert verdict("15.16", shuffled_p(ours[np.ix_(order, order)], common, rng, times=99)) == "fails"


def formula(drawn, V):
    common, k = overlaps(drawn.S, drawn.groups["contexts"])
    return (common - np.outer(k, k) / V) / np.sqrt(np.outer(k - k**2 / V, k - k**2 / V))


def test_15_17(drawn):
    centred = drawn.between(drawn.S - drawn.S.mean(axis=0), "contexts")
    assert verdict("15.17", np.abs(formula(drawn, len(drawn.S)) - centred).max()) == "holds"
    assert verdict("15.17", np.abs(formula(drawn, len(drawn.S) + 1) - centred).max()) == "fails"


@pytest.fixture(scope="module")
def path(drawn):
    points = regularization_path(drawn.labels, np.geomspace(1e-3, 1e-7, 5), tol=1e-4)
    return [{"contexts": drawn.between(p.H, "contexts"), "words": drawn.between(p.W.T, "words")} for p in points]


def beyond(A, B, C):
    """The correlation of the residuals of two regressions."""
    x = np.column_stack([np.ones(len(pairs(C))), pairs(C)])
    left = [y - x @ np.linalg.lstsq(x, y, rcond=None)[0] for y in (pairs(A), pairs(B))]
    return np.corrcoef(*left)[0, 1]


def test_15_18(drawn, path):
    known, predicted = formula(drawn, len(drawn.S)), drawn.rivals["NTP-SVM"]["contexts"]
    assert verdict("15.18", beyond(path[-1]["contexts"], predicted, known)) == "holds"
    trained = [beyond(drawn.geometry(run, -1, "contexts"), predicted, known) for run in drawn.runs]
    assert verdict("15.18", np.mean(trained)) == "fails"          # as in the chapter


def test_15_19(drawn):
    def violations(proxy, solution):
        return sum(np.sum(L[drawn.S] <= 0) for L in (proxy, solution)) + np.sum(proxy[~drawn.S] >= 0)

    proxy = drawn.S - drawn.S.mean(axis=0)
    assert verdict("15.19", violations(proxy, drawn.solution.L)) == "holds"
    assert verdict("15.19", violations(drawn.S.astype(float), drawn.solution.L)) == "fails"


def centred_logits(run, k):
    L = run.W[k] @ run.H[k]
    return L - L.mean(axis=0)


def test_15_20(drawn):
    for k, expected in ((-1, "holds"), (0, "fails")):
        assert verdict("15.20", min(np.mean(centred_logits(run, k)[drawn.S] > 0) for run in drawn.runs)) == expected


def test_15_21(drawn):
    rng, L = np.random.default_rng(21), centred_logits(drawn.runs[0], -1)

    def excess(S):
        blind = [np.array([rng.permutation(column) for column in S.T]).T for _ in range(40)]
        return np.mean(L[~S] < 0) - max(np.mean(L[~B] < 0) for B in blind)

    assert verdict("15.21", excess(drawn.S)) == "holds"
    assert verdict("15.21", excess(np.roll(drawn.S, 17, axis=0))) == "fails"


def small_languages(rng, count=20):
    stories = load_labels("tinystories-counts")
    few = np.flatnonzero((stories.support_sizes >= 2) & (stories.support_sizes <= 8))[:250]
    return [stories.restrict(rng.choice(few, 20, replace=False)) for _ in range(count)]


def test_15_23_15_24():
    rng, passed, blind, gaps = np.random.default_rng(23), [], [], []
    for labels in small_languages(rng):
        solution, S = solve_ntp_svm(labels.S, tol=1e-6), labels.S.toarray()
        columns = np.unique(S, axis=1, return_index=True)[1]
        run = train_ufm(labels, d=32, steps=200, lr=2e-2, optimizer="adam", rng=rng, snapshots=2)
        gram = linalg.sqrtm(solution.L.T @ solution.L).real
        size = np.sqrt(np.diag(gram))
        predicted = (gram / np.outer(size, size))[np.ix_(columns, columns)]
        ours, order = cosines(run.H[-1])[np.ix_(columns, columns)], rng.permutation(len(columns))
        passed.append(shuffled_p(ours, predicted, rng, times=99) <= 0.05)
        blind.append(shuffled_p(ours[np.ix_(order, order)], predicted, rng, times=99) <= 0.05)
        norms = [np.linalg.svd(A, compute_uv=False).sum() for A in (S - S.mean(axis=0), S.astype(float), solution.L)]
        gaps.append([norm / norms[2] - 1 for norm in norms[:2]])
    assert verdict("15.23", np.mean(passed)) == "holds"
    assert verdict("15.23", np.mean(blind)) == "fails"
    assert verdict("15.24", np.max(gaps, axis=0)[0]) == "holds"
    assert verdict("15.24", np.max(gaps, axis=0)[1]) == "fails"   # the support that nobody centred


def test_15_26(drawn, slow):
    rng = np.random.default_rng(26)
    A, B = (one.geometry(one.runs[0], -1, "contexts") for one in (drawn, slow))
    order = rng.permutation(len(A))
    assert verdict("15.26", shuffled_p(A, B, rng)) == "holds"
    assert verdict("15.26", shuffled_p(A[np.ix_(order, order)], B, rng, times=99)) == "fails"


def test_15_28(slow):
    """The linear system's exponential, as one matrix."""
    P, k = slow.labels.P.toarray() * slow.labels.pi, 4
    M = P - P.mean(axis=0)
    V = len(M)
    t = 0.4 / np.linalg.norm(M, 2) * slow.runs[0].steps[k]
    grown = linalg.expm(2 * t * np.block([[np.zeros((V, V)), M], [M.T, np.zeros((M.shape[1],) * 2)]]))
    found = []
    for what, part in (("words", grown[:V, :V]), ("contexts", grown[V:, V:])):
        first = slow.between(linalg.cholesky(part + 1e-9 * np.eye(len(part))), what)
        found.append([pearson(slow.geometry(run, k, what), first)
                      - pearson(slow.geometry(run, k, what), slow.rivals["NTP-SVM"][what]) for run in slow.runs])
    assert verdict("15.28", min(map(lower, found))) == "holds"
    assert verdict("15.28", min(lower(-np.array(x)) for x in found)) == "fails"


def test_15_29(drawn, path):
    ahead = [min(pearson(point[what], drawn.rivals["NTP-SVM"][what])
                 - pearson(point[what], drawn.rivals["centred support"][what]) for what in drawn.groups)
             for point in (path[-1], path[0])]
    assert [verdict("15.29", x) for x in ahead] == ["holds", "fails"]


def test_15_30(drawn, path):
    U, s, V = np.linalg.svd(drawn.solution.L, full_matrices=False)
    keep, exponents = s > 1e-6 * s[0], np.linspace(0.5, 4, 15)

    def best(A, what):
        X = V[keep] if what == "contexts" else U[:, keep].T
        return exponents[np.argmax([pearson(A, drawn.between(s[keep, None]**(p / 2) * X, what)) for p in exponents])]

    down = [best(path[0][what], what) - best(path[-1][what], what) for what in drawn.groups]
    assert verdict("15.30", min(down)) == "holds"
    assert verdict("15.30", min(-x for x in down)) == "fails"


def test_15_31_a_prediction_that_has_seen_the_seed_passes_the_ceiling():
    rng = np.random.default_rng(31)
    truth, B = np.linalg.cholesky([[1, 0.9], [0.9, 1]]) @ rng.normal(size=(2, 561))
    seeds = truth + rng.normal(size=(5, 561))  # two of them correlate like one half

    def beyond(predictions):
        two = np.mean([stats.pearsonr(a, b).statistic for i, a in enumerate(seeds) for b in seeds[:i]])
        return np.mean([stats.pearsonr(a, b).statistic for a, b in zip(seeds, predictions)]) - np.sqrt(two)

    assert verdict("15.31", beyond([B] * 5)) == "holds"
    assert verdict("15.31", beyond(B + 0.7 * (seeds - truth))) == "fails"
