# Colab has no $package yet: install it, and leave the numpy and torch that are here as they are.
import importlib.metadata
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("$package") is None:
    here = {d.name.lower(): d.version for d in importlib.metadata.distributions()}
    keep = [f"{name}=={here[name]}" for name in ("numpy", "torch") if name in here]
    source = "$package[chapters] @ git+$url@$commit"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", source, *keep], check=True)
