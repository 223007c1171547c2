"""A reader's own vectors and models beside the prediction."""

import numpy as np
import pytest

from ntputils import geometry_report, load_labels, train_ufm


def test_agreement_is_recognised_and_absence_too():
    labels = load_labels("simplified-tinystories")
    run = train_ufm(labels, d=40, steps=500, lr=2e-2, optimizer="adam", rng=np.random.default_rng(0), snapshots=[500])
    W, H = run.W[-1], run.H[-1]
    found = {one.what: one for one in geometry_report(labels, embeddings=W, context_embeddings=H).agreements}
    assert found["words"].p <= 0.01 and found["contexts"].p <= 0.01 and found["contexts"].between > 0.3
    rng = np.random.default_rng(1)
    noise = geometry_report(labels, embeddings=rng.normal(size=W.shape)).agreements[0]
    assert abs(noise.r) < 0.1 and ("no agreement is shown" in noise.sentence) == (noise.p > 0.05)
    order = rng.permutation(W.shape[1])
    turned = geometry_report(labels, embeddings=3 * W[:, order], context_embeddings=-H[order]).agreements
    for one in turned:
        assert one.r == pytest.approx(found[one.what].r, abs=1e-9) and one.p == found[one.what].p
        assert one.cka == pytest.approx(found[one.what].cka, abs=1e-9)


def test_the_default_seed_is_0(report):
    noise = np.random.default_rng(2).normal(size=(report.labels.V, 3))
    default, zero, one = (geometry_report(report.labels, embeddings=noise, **seed).agreements[0]
                          for seed in ({}, {"seed": 0}, {"seed": 1}))
    assert default == zero and default.r == one.r and default.p != one.p


def test_every_form_of_vectors(report, monkeypatch):
    labels, rng = report.labels, np.random.default_rng(0)
    W = rng.normal(size=(labels.V, 5))
    as_array = geometry_report(labels, embeddings=W).agreements[0]
    table = {word: W[z] for z, word in enumerate(labels.vocab)} | {"elsewhere": np.ones(5)}
    assert geometry_report(labels, embeddings=table).agreements[0] == as_array

    class Keyed:
        key_to_index = {word: z for z, word in enumerate(labels.vocab)}

        def __getitem__(self, word):
            return W[self.key_to_index[word]]

    class Model:
        H = rng.normal(size=(5, labels.m))

        def __init__(self):
            self.W = W

    assert geometry_report(labels, embeddings=Keyed()).agreements[0] == as_array
    both = geometry_report(labels, model=Model())
    assert both.agreements[0] == as_array and both.agreements[1].what == "contexts"
    logits = W @ Model.H
    loss = float(labels.pi @ (np.log(np.exp(logits).sum(axis=0)) - np.sum(labels.P.toarray() * logits, axis=0)))
    assert both.numbers["model_loss"] == pytest.approx(loss)
    for most, told in ((labels.V * labels.m, True), (labels.V * labels.m - 1, False)):
        monkeypatch.setattr("ntputils.report._DENSE", most)
        assert ("model_loss" in geometry_report(labels, model=Model()).numbers) == told
    names = {labels.context(j): j for j in range(labels.m)}
    called = geometry_report(labels, model=lambda contexts: Model.H[:, [names[c] for c in contexts]].T)
    assert [one.r for one in called.agreements] == pytest.approx([both.agreements[1].r])
    half = geometry_report(labels, embeddings={word: table[word] for word in labels.vocab[::2]}).agreements[0]
    assert (half.covered, half.total) == (len(labels.vocab[::2]), labels.V)
