"""Every claim of chapter 16, on models written out here: honest input holds, perturbed input fails."""

import numpy as np
import pytest
import torch

from ntputils import claim, load_labels, solve_ntp_svm, train_ufm

COVERED = {f"16.{i}" for i in range(1, 20)}


def verdict(id_, measured):
    return claim(id_, measured).verdict


class World:
    """The language of the chapter, counted again, and its predicted cosines."""

    def __init__(self):
        self.labels = load_labels("simplified-tinystories", seed=3, contexts=148)
        self.S, self.P = self.labels.S.toarray(), self.labels.P.toarray()
        self.texts = [self.labels.context(j).split() for j in range(self.labels.m)]
        self.words = sorted({word for text in self.texts for word in text})
        self.ids = np.array([[self.words.index(word) for word in text] for text in self.texts])
        self.L = solve_ntp_svm(self.S, tol=1e-7).L
        self.U, self.s, self.Vt = np.linalg.svd(self.L, full_matrices=False)
        self.number = {column: c for c, column in enumerate(dict.fromkeys(x.tobytes() for x in self.S.T))}
        self.classes = np.array([self.number[x.tobytes()] for x in self.S.T])
        self.mm = cosines(np.sqrt(self.s)[:, None] * self.Vt)
        self.rng = np.random.default_rng(0)
        self.dealt = self.rng.permutation(self.ids)

    def bag(self, ids):
        return np.array([[np.sum(row == w) for row in ids] for w in range(len(self.words))], dtype=float)

    def read(self, kind, ids, seed, d=24, steps=250):
        """A mean of word vectors, or one hidden layer over five of them, trained with Adam; its W, H and encoder."""
        torch.manual_seed(seed)
        E, W = (torch.randn(n, d, dtype=torch.float64) / d**0.5 for n in (len(self.words), self.labels.V))
        A = torch.randn(5 * d, 2 * d, dtype=torch.float64) / (5 * d)**0.5
        B = torch.randn(2 * d, d, dtype=torch.float64) / (2 * d)**0.5
        weights = [w.requires_grad_() for w in ([E, W] if kind == "mean" else [E, W, A, B])]
        adam = torch.optim.Adam(weights, lr=0.02)
        P, pi = torch.tensor(self.P.T), torch.tensor(self.labels.pi)

        def encode(ids):
            vectors = E[torch.from_numpy(ids)]
            return vectors.mean(1) if kind == "mean" else torch.tanh(vectors.flatten(1) @ A) @ B

        for _ in range(steps):
            adam.zero_grad()
            loss = -(pi[:, None] * P * torch.log_softmax(encode(ids) @ W.T, 1)).sum()
            loss.backward()
            adam.step()
        return W.detach().numpy(), encode(ids).detach().numpy().T, lambda ids: encode(ids).detach().numpy().T


def cosines(X):
    return (X / np.linalg.norm(X, axis=0)).T @ (X / np.linalg.norm(X, axis=0))


def pairs(A):
    return A[np.triu_indices(len(A), 1)]


def correlation(A, B, *known):
    """Of what a least-squares fit on the known matrices leaves."""
    X = np.column_stack([np.ones(len(A) * (len(A) - 1) // 2), *map(pairs, known)])
    a, b = (y - X @ np.linalg.lstsq(X, y)[0] for y in (pairs(A), pairs(B)))
    return np.corrcoef(a, b)[0, 1]


def p_value(A, B, rng, *known, classes=None, times=999):
    seen, above = correlation(A, B, *known), 0
    classes = np.zeros(len(A)) if classes is None else classes
    X = np.column_stack([np.ones(len(A) * (len(A) - 1) // 2), *map(pairs, known)])
    Q = np.linalg.qr(X)[0]
    a = pairs(A) - Q @ (Q.T @ pairs(A))
    for _ in range(times):
        order = np.arange(len(A))
        for c in np.unique(classes):
            order[classes == c] = rng.permutation(order[classes == c])
        b = pairs(B[np.ix_(order, order)])
        b -= Q @ (Q.T @ b)
        above += a @ b / np.linalg.norm(a) / np.linalg.norm(b) >= seen
    return (1 + above) / (1 + times)


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def free(world):
    """Two runs of free vectors, W and H, with NumPy."""
    runs = [train_ufm(world.labels, d=32, steps=400, lr=0.02, optimizer="adam", rng=np.random.default_rng(k),
                      snapshots=[400]) for k in (1, 2)]
    return [(run.W[-1], run.H[-1]) for run in runs]


@pytest.fixture(scope="module")
def mean(world):
    return [world.read("mean", world.ids, seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def hidden(world):
    return [world.read("hidden", world.ids, seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def hidden_dealt(world):
    return world.read("hidden", world.dealt, 1)


def test_16_1(world, free, hidden):
    for k in (0, 1):
        one, two = (cosines(x[0].T if k else x[1]) for x in (free[0], hidden[1]))
        assert verdict("16.1", p_value(one, two, world.rng)) == "holds"
        order = world.rng.permutation(len(one))
        assert verdict("16.1", p_value(one, two[np.ix_(order, order)], world.rng, times=99)) == "fails"


def test_16_2(world, free, hidden):
    """Agreement over its ceiling; another order of the contexts has none."""
    (a, b), (x, y) = ([cosines(run[1]) for run in runs] for runs in (free, hidden))
    ceiling = np.sqrt(correlation(a, b) * correlation(x, y))
    assert verdict("16.2", (correlation(a, y) + correlation(b, x)) / 2 / ceiling) == "holds"
    order = world.rng.permutation(len(a))
    assert verdict("16.2", correlation(a, y[np.ix_(order, order)]) / ceiling) == "fails"


def test_16_3(world, free):
    seen = cosines(free[0][1])
    assert verdict("16.3", p_value(seen, cosines(world.bag(world.ids)), world.rng)) == "holds"
    assert verdict("16.3", p_value(seen, cosines(world.bag(world.dealt)), world.rng, times=99)) == "fails"


def pulled(world, H, times=999):
    return p_value(cosines(H), cosines(world.bag(world.ids)), world.rng, world.mm, classes=world.classes, times=times)


def test_16_4_16_5(world, free, mean):
    """Free vectors are not pulled, a mean of word vectors is."""
    not_pulled, is_pulled = min(pulled(world, H, 399) for _, H in free), max(pulled(world, run[1]) for run in mean)
    assert verdict("16.4", not_pulled) == "holds" and verdict("16.4", is_pulled) == "fails"
    assert verdict("16.5", is_pulled) == "holds" and verdict("16.5", not_pulled) == "fails"


def test_16_6_16_7(world, mean, hidden):
    bag = cosines(world.bag(world.ids))
    size = {name: np.mean([correlation(cosines(run[1]), bag, world.mm) for run in runs])
            for name, runs in (("mean", mean), ("hidden", hidden))}
    assert verdict("16.6", size["mean"] - size["hidden"]) == "holds"
    assert verdict("16.6", size["hidden"] - size["mean"]) == "fails"
    one, two = (cosines(run[1]) for run in hidden)
    assert verdict("16.7", 1 - correlation(one, two, world.mm, bag) / correlation(one, two, world.mm)) == "open"


def test_16_8_16_10(world, hidden, hidden_dealt):
    """With dealt strings the supports are still followed, and less closely."""
    natural, dealt = (cosines(run[1]) for run in (hidden[0], hidden_dealt))
    assert verdict("16.8", p_value(dealt, world.mm, world.rng)) == "holds"
    order = world.rng.permutation(len(dealt))
    assert verdict("16.8", p_value(dealt[np.ix_(order, order)], world.mm, world.rng, times=99)) == "fails"
    lent = correlation(natural, world.mm) - correlation(dealt, world.mm)
    assert verdict("16.10", lent) == "holds at this scale" and verdict("16.10", -lent) == "fails"


def test_16_9():
    """Two losses that fall exponentially reach two per cent in proportion to their times."""
    steps = np.arange(0, 400, 5)
    arrival = [next(t for t in steps if np.exp(-t / time) <= 0.02) for time in (30, 45)]
    assert verdict("16.9", arrival[1] / arrival[0]) == "holds at this scale"
    assert verdict("16.9", arrival[0] / arrival[1]) == "fails" == verdict("16.9", 1.0)


def explained(H, sums):
    """The square of the correlation of all entries, each row centred."""
    H, sums = (X - X.mean(axis=1, keepdims=True) for X in (H, sums))
    return np.corrcoef(H.ravel(), sums.ravel())[0, 1]**2


def test_16_11(world):
    """From the eigenvectors of the Gram matrix; a word left out of one support shows."""
    proxy = world.S - world.S.mean(axis=0)
    values, U = np.linalg.eigh(proxy @ proxy.T)
    U, s = U[:, values > 1e-9], np.sqrt(values[values > 1e-9])
    W, H = U * np.sqrt(s), (U.T @ proxy) / np.sqrt(s)[:, None]
    for weights, want in ((world.S.astype(float), "holds"), (np.where(world.S, 1.001, 0), "fails")):
        error = np.abs((W.T @ weights) / s[:, None] - H).max() / np.linalg.norm(H, axis=0).max()
        assert verdict("16.11", error) == want


def test_16_12(world):
    keep = world.s > 1e-6 * world.s[0]
    H, root = np.sqrt(world.s[keep])[:, None] * world.Vt[keep], np.sqrt(world.s[keep])
    for S, want in ((world.S, "holds"), (world.S[:, world.rng.permutation(148)], "fails")):
        assert verdict("16.12", explained(H, (world.U[:, keep] / root).T @ S)) == want


def test_16_13(world, free):
    W, H = free[0]
    W = W - W.mean(axis=0)
    assert verdict("16.13", explained(H, W.T @ world.S)) == "holds"
    assert verdict("16.13", explained(H, W.T @ world.S[:, world.rng.permutation(148)])) == "fails"


def foretold(H, X, rng):
    """Leave out a tenth at a time; ridge in its primal form."""
    X, Y, error = X / np.linalg.norm(X, axis=0), H.copy(), 0.0
    for new in np.array_split(rng.permutation(H.shape[1]), 10):
        old = np.setdiff1d(np.arange(H.shape[1]), new)
        mean = H[:, old].mean(axis=1, keepdims=True)
        B = np.linalg.solve(X[:, old] @ X[:, old].T + 0.1 * np.eye(len(X)), X[:, old] @ (H[:, old] - mean).T)
        Y[:, new] = mean + B.T @ X[:, new]
        error += np.sum((Y[:, new] - H[:, new])**2)
    return 1 - error / np.sum((H - H.mean(axis=1, keepdims=True))**2)


def test_16_14(world, hidden_dealt):
    H = hidden_dealt[1]
    following, own = foretold(H, world.S.astype(float), world.rng), foretold(H, world.bag(world.dealt), world.rng)
    assert verdict("16.14", following - own) == "holds"
    assert verdict("16.14", own - following) == "fails"


def overlap(a, b):
    return len(set(a) & set(b)) / len(set(a) | set(b))


def test_16_15():
    """TinyStories, occurrences as lists; random halves of one list pass for twins and fail."""
    stories = load_labels("tinystories-counts")
    counts = (stories.P * (stories.pi * stories.n)).tocsc()
    lists, rng = {}, np.random.default_rng(5)
    for j in np.flatnonzero(stories.pi * stories.n > 9.5):
        column = counts[:, [j]].tocoo()
        nexts = np.repeat(column.coords[0], np.rint(column.data).astype(int))
        lists.setdefault(tuple(sorted(stories.contexts[j])), []).append(nexts)
    twins = [found[:2] for found in lists.values() if len(found) > 1]

    def p(twins):
        seen, null = np.mean([overlap(*pair) for pair in twins]), []
        for _ in range(199):
            mixed = [(rng.permutation(np.concatenate(pair)), len(pair[0])) for pair in twins]
            null.append(np.mean([overlap(pool[:n], pool[n:]) for pool, n in mixed]))
        return (1 + sum(x <= seen for x in null)) / 200

    assert verdict("16.15", p(twins)) == "holds"
    pools = [(rng.permutation(np.concatenate(pair)), len(pair[0])) for pair in twins]
    assert verdict("16.15", p([(pool[:n], pool[n:]) for pool, n in pools])) == "fails"


def last_vector(words, layers, rng, positions=None):
    """A causal transformer in NumPy: one head, tanh after each layer."""
    x = rng.normal(size=(9, 6))[words] + (0 if positions is None else positions)
    for _ in range(layers):
        Q, K, V = 0.4 * rng.normal(size=(3, 6, 6))   # attention that is not all on one word
        scores = np.where(np.tri(len(words), dtype=bool), x @ Q @ (x @ K).T, -np.inf)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        x = x + np.tanh(weights / weights.sum(axis=1, keepdims=True) @ x @ V)
    return x[-1]


def change(layers, positions=None):
    before, after = (last_vector(np.array(words), layers, np.random.default_rng(2), positions)
                     for words in ([1, 4, 7, 2, 8], [7, 1, 2, 4, 8]))
    return np.linalg.norm(after - before) / np.linalg.norm(before)


def test_16_16_16_17():
    assert verdict("16.16", change(1)) == "holds"
    assert verdict("16.16", change(1, np.arange(5)[:, None] / 10)) == "fails"
    assert verdict("16.17", change(2)) == "holds"
    assert verdict("16.17", change(1)) == "fails"


def test_16_18_16_19(world, hidden):
    """Wordings that training left out are placed; random vectors are not."""
    more = load_labels("simplified-tinystories", seed=3, contexts=404)
    old = {" ".join(text) for text in world.texts}
    new = [j for j, text in enumerate(more.contexts) if text not in old and set(text.split()) <= set(world.words)]
    ids = np.array([[world.words.index(word) for word in more.contexts[j].split()] for j in new])
    truth = np.array([world.number[column.tobytes()] for column in more.S.toarray()[:, new].T])
    names = np.unique(world.classes)

    def placed(H_old, H_new):
        means = np.array([H_old[:, world.classes == c].mean(axis=1) for c in names])
        return np.mean(names[np.argmax(means / np.linalg.norm(means, axis=1, keepdims=True) @ H_new, axis=0)] == truth)

    _, H, encode = hidden[0]
    share = placed(H, encode(ids))
    assert verdict("16.18", share) == "holds at this scale"
    assert verdict("16.18", placed(H, world.rng.normal(size=(len(H), len(new))))) == "fails"
    assert verdict("16.19", share - placed(world.bag(world.ids), world.bag(ids))) == "open"
