"""Models and their training: shapes, causality, gradients against the closed form, resuming, messages."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from ntputils import (SoftLabels, build_model, context_words, fit, load_corpus, ntp_gradient, ntp_loss,
                      optimality_gap)
from ntputils.models import MODELS, Beginnings, Block, Recurrent, Transformer
from ntputils.path import regularization_path
from torch.nn import functional

SMALL = {"ufm": {}, "mean": {}, "mlp": {"width": 16}, "lstm": {"layers": 1}, "transformer": {"layers": 2}}


@pytest.fixture(scope="module")
def labels():
    return SoftLabels.from_tokens(load_corpus("synthetic", seed=0), context_length=5)


@pytest.mark.parametrize("name", MODELS)
def test_words_by_contexts(labels, name):
    model = build_model(name, labels, d=8, seed=0, dtype=torch.float64, **SMALL[name])
    W, H = model.W.detach().numpy(), model.H().detach().numpy()
    assert W.shape == (labels.V, 8) and H.shape == (8, labels.m)
    some = torch.tensor([3, 0])
    assert np.allclose(model(some).detach().numpy(), (W @ H).T[[3, 0]], atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_the_seed_decides_and_the_global_generator_is_left_alone(labels, name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (build_model(name, labels, d=8, seed=seed, **SMALL[name]).H() for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


def test_context_words_read_ids_and_strings_alike(labels):
    ids, words = context_words(labels)
    assert [" ".join(words[i] for i in row) for row in ids] == [labels.context(j) for j in range(labels.m)]
    strings = labels.restrict(range(labels.m))
    assert np.array_equal(context_words(strings)[0], ids)


def test_without_positions_a_transformer_still_sees_order_through_its_mask():
    """One causal layer: earlier words as a set. Two layers: their order matters. (Kazemnejad et al. 2023.)"""
    counts = np.eye(2, dtype=int)
    labels = SoftLabels.from_counts(counts, contexts=("a b c", "b a c"))
    one, two = (build_model("transformer", labels, d=8, seed=0, layers=n, dtype=torch.float64).H() for n in (1, 2))
    assert torch.allclose(one[:, 0], one[:, 1], atol=1e-14)
    assert (two[:, 0] - two[:, 1]).abs().max() > 1e-9
    placed = build_model("transformer", labels, d=8, seed=0, layers=1, positions=True, dtype=torch.float64)
    with torch.no_grad():
        placed.encoder.places.normal_(generator=torch.Generator().manual_seed(0))
    assert (placed.H()[:, 0] - placed.H()[:, 1]).abs().max() > 1e-6


def rms(x, weight=1.0):
    return weight * x / (x.pow(2).mean(-1, keepdim=True) + torch.finfo(x.dtype).eps).sqrt()


def test_a_block_agrees_with_attention_written_out():
    torch.manual_seed(0)
    block, x = Block(8, heads=2).double(), torch.randn(3, 4, 8, dtype=torch.float64)
    q, (k, v) = block.query(rms(x)), block.key_value(rms(x)).chunk(2, -1)
    out = torch.zeros_like(x)
    for n in range(3):
        for head in (slice(0, 4), slice(4, 8)):
            for t in range(4):
                scores = k[n, :t + 1, head] @ q[n, t, head] / 2.0     # sqrt of the head's four dimensions
                out[n, t, head] = torch.softmax(scores, 0) @ v[n, :t + 1, head]
    y = x + block.out(out)
    gate, value = block.up(rms(y)).chunk(2, -1)
    want = y + block.down(gate * torch.sigmoid(gate) * value)
    flat, wanted = (z.transpose(0, 1).flatten(0, 1) for z in (x, want))      # position by position, the last one last
    tree = Beginnings.of(torch.arange(12).view(3, 4))                        # no two contexts share a word
    assert torch.allclose(block(flat, tree.seen, tree.hidden), wanted, atol=1e-12)
    assert torch.allclose(block(flat, tree.seen[-3:], tree.hidden[-3:]), wanted[-3:], atol=1e-12)


def plain_transformer(encoder, words):
    """Every context by itself, all positions of all layers, with torch's own attention."""
    x = encoder.embed(words) + (0 if encoder.places is None else encoder.places)
    for block in encoder.blocks:
        y = rms(x, block.before_attention.weight)
        q, k, v = (part.unflatten(-1, (block.heads, -1)).transpose(1, 2)
                   for part in (block.query(y), *block.key_value(y).chunk(2, -1)))
        x = x + block.out(functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        gate, value = block.up(rms(x, block.before_gate.weight)).chunk(2, -1)
        x = x + block.down(functional.silu(gate) * value)
    return rms(x[:, -1], encoder.norm.weight)


READERS = {"a transformer": (lambda: Transformer(3, 5, 8, layers=3, heads=2), plain_transformer),
           "with positions": (lambda: Transformer(3, 5, 8, layers=2, heads=4, positions=True), plain_transformer),
           "a memory": (lambda: Recurrent(3, 8, layers=2), lambda encoder, words:
                        rms(encoder.lstm(encoder.embed(words))[0][:, -1], encoder.norm.weight))}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("length", [5, 1])
def test_shared_beginnings_change_neither_vectors_nor_gradients(name, length):
    """Contexts that begin alike, or are the same, against each of them read by itself, by torch's own kernels."""
    torch.manual_seed(0)
    encoder, plain = READERS[name][0]().double(), READERS[name][1]
    words = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (40, 5)))
    words[30:] = words[:10]
    words = words[:, :length].clone() if encoder.state_dict().get("places") is None else words
    with torch.no_grad():
        for p in encoder.parameters():
            p.add_(torch.randn_like(p), alpha=0.3)
    weights, found, wanted = torch.randn(40, 8, dtype=torch.float64), encoder(words), plain(encoder, words)
    assert torch.allclose(found, wanted, atol=1e-12)
    options = {"inputs": list(encoder.parameters()), "allow_unused": True, "materialize_grads": True}
    for a, b in zip(torch.autograd.grad((weights * found).sum(), **options),
                    torch.autograd.grad((weights * wanted).sum(), **options), strict=True):
        assert torch.allclose(a, b, atol=1e-11 * max(1, b.abs().max()))


def test_words_that_change_in_place_are_read_again():
    encoder, words = Transformer(4, 2, 8, layers=1).double(), torch.tensor([[0, 1], [0, 2]])
    first = encoder(words)
    words[1, 0] = 3
    assert torch.allclose(encoder(words), plain_transformer(encoder, words), atol=1e-12)
    assert not torch.allclose(encoder(words), first)
    assert torch.allclose(encoder(words[:1]), first[:1], atol=1e-12)


def test_beginnings_are_counted_once():
    tree = Beginnings.of(torch.tensor([[0, 1, 2], [0, 1, 1], [2, 1, 2], [0, 1, 2]]))
    assert tree.word.tolist() == [0, 2, 1, 1, 2, 1, 2, 2] and tree.place.tolist() == [0, 0, 1, 1, 2, 2, 2, 2]
    assert tree.seen.tolist() == [[0, 0, 0], [1, 1, 1], [0, 2, 2], [1, 3, 3], [0, 2, 4], [0, 2, 5], [1, 3, 6], [0, 2, 7]]
    assert tree.hidden.eq(0).sum(1).tolist() == [1, 1, 2, 2, 3, 3, 3, 3]
    assert tree.sizes == (2, 2, 4)


def test_one_sgd_step_is_the_closed_form(labels):
    """W - lr grad H', H - lr W' grad, with the gradient of the loss that NumPy writes out."""
    model = build_model("ufm", labels, d=4, seed=0, dtype=torch.float64)
    run = fit(model, labels, steps=1, lr=0.7, optimizer="sgd", snapshots=[1])
    W, H = run.W[0], run.H[0]
    G = ntp_gradient(W @ H, labels)
    assert np.allclose(run.W[1], W - 0.7 * G @ H.T, atol=1e-14)
    assert np.allclose(run.H[1], H - 0.7 * W.T @ G, atol=1e-14)
    assert run.loss[1] == pytest.approx(ntp_loss(run.W[1] @ run.H[1], labels), abs=1e-13)


@pytest.mark.parametrize("name", MODELS)
def test_one_sgd_step_is_what_torch_finds_by_itself(labels, name):
    """The gradient that `fit` writes out at the logits, against torch's own loss and its derivative."""
    ours, plain = (build_model(name, labels, d=8, seed=0, dtype=torch.float64, **SMALL[name]) for _ in range(2))
    logits, P = plain(torch.arange(labels.m)), torch.from_numpy(labels.P.toarray().T.copy())
    loss = torch.from_numpy(labels.pi.copy()) @ functional.cross_entropy(logits, P, reduction="none")
    loss.backward()
    before = [p.detach().clone() for p in ours.parameters()]
    run = fit(ours, labels, steps=1, lr=0.5, optimizer="sgd", snapshots=[1])
    assert run.loss[0] == pytest.approx(loss.item(), abs=1e-13)
    for a, b, p in zip(before, ours.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(a - b, 0.5 * p.grad, atol=1e-14)


def test_sgd_with_decay_ends_at_the_point_of_the_path():
    lam, counts = 0.02, np.array([[3, 1, 0, 2], [1, 0, 2, 0], [0, 2, 1, 1]])
    labels = SoftLabels.from_counts(counts)
    model = build_model("ufm", labels, d=3, seed=0, dtype=torch.float64)
    run = fit(model, labels, steps=1500, lr=1.0, optimizer="sgd", weight_decay=lam, snapshots=[1500])
    L = run.W[-1] @ run.H[-1]
    assert optimality_gap(L, lam, labels) < 1e-8
    assert np.abs(L - regularization_path(labels, [lam])[0].L).max() < 1e-3   # a root of the gap: the loss is flat there


@pytest.mark.parametrize("name", MODELS)
def test_every_model_fits_the_synthetic_language(labels, name):
    model = build_model(name, labels, d=16, seed=0, **SMALL[name])
    run = fit(model, labels, steps=400, lr=0.01, snapshots=2)
    assert run.loss[-1] - labels.entropy() < 0.1 * (run.loss[0] - labels.entropy())


def test_batches_estimate_the_loss_without_bias(labels):
    """The mean gradient of many batches is the gradient on all contexts, within four standard errors."""
    model = build_model("ufm", labels, d=3, seed=0, dtype=torch.float64)
    start = model.H().detach().clone().numpy()
    moves = []
    for seed in range(400):
        model = build_model("ufm", labels, d=3, seed=0, dtype=torch.float64)
        moves.append(fit(model, labels, steps=1, lr=1.0, optimizer="sgd", batch=4, seed=seed, snapshots=[1]).H[1])
    moves = np.array(moves)
    whole = fit(build_model("ufm", labels, d=3, seed=0, dtype=torch.float64), labels, steps=1, lr=1.0,
                optimizer="sgd", snapshots=[1]).H[1]
    error = moves.std(axis=0) / np.sqrt(len(moves))
    assert np.abs(start - whole).max() > 1e-3
    assert (np.abs(moves.mean(axis=0) - whole) <= 4.5 * error + 1e-12).all()


@pytest.mark.parametrize("batch", [None, 5])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_an_interrupted_run_resumes_bit_for_bit(labels, tmp_path, optimizer, batch):
    rng = np.random.default_rng(7)
    options = dict(steps=60, lr=0.01, optimizer=optimizer, weight_decay=1e-3, batch=batch, milestones=(20, 40),
                   seed=3, snapshots=12)

    def model():
        return build_model("transformer", labels, d=8, seed=1, layers=1, heads=2)

    whole = fit(model(), labels, **options)

    def stop_at(when):
        def watch(step):
            if step == when:
                raise KeyboardInterrupt
        return watch

    for when in sorted(rng.choice(60, size=3, replace=False)):
        with pytest.raises(KeyboardInterrupt):
            fit(model(), labels, checkpoint=tmp_path / "run.pt", every=0, watch=stop_at(when), **options)
    resumed = fit(model(), labels, checkpoint=tmp_path / "run.pt", **options)
    for name in ("W", "H", "loss", "steps"):
        assert np.array_equal(getattr(whole, name), getattr(resumed, name)), name
    done = fit(model(), labels, checkpoint=tmp_path / "run.pt", **options)     # a finished run is only read
    assert np.array_equal(done.W, whole.W)
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


def test_a_checkpoint_of_another_run_is_refused(labels, tmp_path):
    path = tmp_path / "run.pt"
    options = dict(steps=3, checkpoint=path, snapshots=2)
    fit(build_model("ufm", labels, d=4, seed=0), labels, **options)
    with pytest.raises(ValueError, match="lr = 0.001, want 0.5"):
        fit(build_model("ufm", labels, d=4, seed=0), labels, lr=0.5, **options)
    with pytest.raises(ValueError, match="another model"):
        fit(build_model("ufm", labels, d=5, seed=0), labels, **options)
    path.write_bytes(b"nothing of this kind")
    with pytest.raises(ValueError, match="cannot be read"):
        fit(build_model("ufm", labels, d=4, seed=0), labels, **options)
    assert path.read_bytes() == b"nothing of this kind"


@pytest.mark.parametrize(("options", "message"), [
    ({"steps": -1}, "steps: got -1"), ({"lr": 0}, "lr, gamma"), ({"gamma": 0}, "lr, gamma"), ({"optimizer": "lion"}, "want 'adamw' or 'sgd'"),
    ({"batch": 0}, "batch: got 0"), ({"snapshots": 1}, "snapshots: got 1"), ({"weight_decay": -1}, "weight_decay"),
])
def test_settings_out_of_range_are_named(labels, options, message):
    with pytest.raises(ValueError, match=message):
        fit(build_model("ufm", labels, d=2, seed=0), labels, **{"steps": 1, **options})


def test_wrong_models_are_named(labels):
    with pytest.raises(KeyError, match="want one of 'ufm'"):
        build_model("bert", labels, d=4, seed=0)
    with pytest.raises(ValueError, match="d: got 0"):
        build_model("ufm", labels, d=0, seed=0)
    with pytest.raises(ValueError, match="divisor of d = 6"):
        build_model("transformer", labels, d=6, seed=0, heads=4)
    uneven = SoftLabels.from_counts(np.eye(2, dtype=int), contexts=("a", "a b"))
    with pytest.raises(ValueError, match=r"contexts of \[1, 2\] words"):
        build_model("lstm", uneven, d=4, seed=0)
    with pytest.raises(ValueError, match="model: got one of"):
        fit(build_model("ufm", uneven, d=4, seed=0), labels, steps=1)


def test_too_large_a_step_is_said(labels):
    with pytest.raises(FloatingPointError, match="lr = 1e\\+30 is too large"):
        fit(build_model("ufm", labels, d=4, seed=0), labels, steps=50, lr=1e30, optimizer="sgd")


def test_the_library_does_not_import_torch_until_asked():
    code = "import sys, ntputils; assert 'torch' not in sys.modules; ntputils.fit; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


SIZES = {   # V words to read, T of them a context, d dimensions; without the V x d of the decoder
    "ufm": ({}, lambda V, T, m, d: m * d),
    "mean": ({}, lambda V, T, m, d: V * d),
    "mlp": ({}, lambda V, T, m, d: V * d + (T * d + 1) * 4 * d + 4 * d + (4 * d + 1) * d + d),        # weights, biases, norms
    "mlp of three": ({"layers": 3, "width": 7}, lambda V, T, m, d: V * d + (T * d + 1) * 7 + 7 + 8 * 7 + 7 + 8 * d + d),
    "lstm": ({"layers": 3}, lambda V, T, m, d: V * d + 3 * (8 * d * d + 8 * d) + d),
    "transformer": ({"layers": 3, "heads": 2}, lambda V, T, m, d: V * d + 3 * (16 * d * d + 2 * d) + d),
    "transformer with places": ({"layers": 1, "heads": 1, "positions": True},
                                lambda V, T, m, d: V * d + 16 * d * d + 2 * d + d + T * d),
}


@pytest.mark.parametrize("name", SIZES)
def test_as_many_weights_as_the_layers_have(labels, name):
    """No layer more, and biases only where they are said to be."""
    options, size = SIZES[name]
    model = build_model(name.split()[0], labels, d=8, seed=0, **options)
    words = len(context_words(labels)[1])
    assert sum(p.numel() for p in model.encoder.parameters()) == size(words, 5, labels.m, 8)


def test_first_weights_of_a_transformer_are_small_and_smaller_where_layers_add_up():
    """Standard deviations 0.02, and 0.02 / root(2 layers) for what is added to the stream; 5 standard errors of 4096 numbers."""
    model, layers = Transformer(64, 5, 64, layers=4, heads=4), 4
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            wanted = 0.02 * ((2 * layers)**-0.5 if name.endswith(("out.weight", "down.weight")) else 1.0)
            assert abs(weight.std().item() / wanted - 1) < 5 * (2 * 4096)**-0.5, name
        else:
            assert torch.equal(weight, torch.ones_like(weight)), name


def test_no_step_is_a_run_of_one_snapshot(labels):
    run = fit(build_model("ufm", labels, d=2, seed=0), labels, steps=0, snapshots=2)
    assert run.steps.tolist() == [0] and len(run.W) == len(run.loss) == 1


@pytest.mark.parametrize("every, writes", [(0.0, 4), (1e9, 1)])
def test_a_checkpoint_is_written_so_often_and_at_the_end(labels, tmp_path, monkeypatch, every, writes):
    written, save = [], torch.save
    monkeypatch.setattr(torch, "save", lambda state, file: (written.append(state["step"]), save(state, file)))
    fit(build_model("ufm", labels, d=2, seed=0), labels, steps=3, snapshots=2, checkpoint=tmp_path / "run.pt", every=every)
    assert len(written) == writes and written[-1] == 4     # the step that a resumed run would make next: none


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(labels, tmp_path, monkeypatch):
    path, options = tmp_path / "run.pt", dict(steps=3, snapshots=2, checkpoint=tmp_path / "run.pt", every=0)
    fit(build_model("ufm", labels, d=2, seed=0), labels, **options)
    before = path.read_bytes()

    def full(state, file):
        file.write_bytes(b"half of it")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", full)
    run = build_model("ufm", labels, d=2, seed=0)
    with pytest.raises(OSError, match="no space left"):
        fit(run, labels, **{**options, "checkpoint": path.with_name("other.pt")})
    assert path.read_bytes() == before and not path.with_name("other.pt").exists()
