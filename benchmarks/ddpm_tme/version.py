"""Which code a result comes from: a hash that comments, docstrings and layout do not change."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

import odflow

_HOME = Path(odflow.__file__).parent
# configurations are compared by their values; they do not belong to the code
_SHARED = (
    *("training/*.py", "generate/base.py", "generate/past.py", "generate/scaling.py"),
    *("generate/layers.py", "generate/weights.py"),
)
_LATENT = ("autoencoder", "denoisers", "marginals", "samplers", "schedules")
KINDS = {
    "TrafficDiffusion": (*_SHARED, "generate/diffusion.py", *(f"generate/{name}.py" for name in _LATENT)),
    "TrafficVAE": (*_SHARED, "generate/vae.py"),
    "TrafficWGANGP": (*_SHARED, "generate/wgan.py"),
}
_ESTIMATE = (
    *("estimate/inversion.py", "estimate/descent.py", "estimate/generative.py", "estimate/generative_base.py"),
    *("estimate/meet.py", "estimate/projection.py", "estimate/balances.py", "estimate/observe.py"),
    *("estimate/base.py", "evaluate/scores.py", "evaluate/metrics.py", "evaluate/learned.py"),
)
_SYNTHESIS = "evaluate/synthesis*.py"


def model_version(kind: str) -> str:
    """Version of the code that trains and draws from a kind of generator."""
    return code_version(KINDS[kind])


def estimate_version(kind: str) -> str:
    """Version of the code that inverts a kind of generator and scores what comes out."""
    return code_version((*KINDS[kind], *_ESTIMATE))


def synthesis_version() -> str:
    """Version of the code of the synthesis benchmark and of all generators."""
    return code_version((*dict.fromkeys(pattern for every in KINDS.values() for pattern in every), _SYNTHESIS))


@cache
def code_version(patterns: tuple[str, ...], home: Path = _HOME) -> str:
    """Sixteen hexadecimal digits for the modules of these patterns."""
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(home.glob(pattern)):
            digest.update(path.relative_to(home).as_posix().encode())
            digest.update(bare(path.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()[:16]


def bare(source: str) -> str:
    """The syntax tree of a module without its docstrings, as text."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or not node.body:
            continue
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:]
    return ast.dump(tree)
