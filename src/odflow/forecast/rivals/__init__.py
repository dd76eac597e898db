"""Deep networks that a forecast is compared with, as small and faithful as could be (need torch).

All obey the contract of :mod:`odflow.forecast.inputs` and are built as ``Name(shape, size)``. Baselines for one task
see one service each through :class:`SingleTask`; MTTC, AST-MTL and CSLSL take all services together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odflow.forecast.rivals.size import RivalSize
from odflow.lazy import from_torch

if TYPE_CHECKING:
    from odflow.forecast.rivals.ast_mtl import ASTMTL as ASTMTL
    from odflow.forecast.rivals.convlstm import ConvLSTM as ConvLSTM
    from odflow.forecast.rivals.cslsl import CSLSL as CSLSL
    from odflow.forecast.rivals.dcrnn import DCRNN as DCRNN
    from odflow.forecast.rivals.head import parameter_count as parameter_count
    from odflow.forecast.rivals.informer import Informer as Informer
    from odflow.forecast.rivals.itransformer import ITransformer as ITransformer
    from odflow.forecast.rivals.lstm import LSTM as LSTM
    from odflow.forecast.rivals.mttc import MTTC as MTTC
    from odflow.forecast.rivals.single import SingleTask as SingleTask
    from odflow.forecast.rivals.staeformer import STAEformer as STAEformer
    from odflow.forecast.rivals.stgcn import STGCN as STGCN
    from odflow.forecast.rivals.transformer import Transformer as Transformer

_PLACES = {
    "ASTMTL": "ast_mtl",
    "CSLSL": "cslsl",
    "ConvLSTM": "convlstm",
    "DCRNN": "dcrnn",
    "ITransformer": "itransformer",
    "Informer": "informer",
    "LSTM": "lstm",
    "MTTC": "mttc",
    "STAEformer": "staeformer",
    "STGCN": "stgcn",
    "SingleTask": "single",
    "Transformer": "transformer",
    "parameter_count": "head",
}

__all__ = ["RivalSize", *_PLACES]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'odflow.forecast.rivals' has no attribute '{name}'")
    return from_torch(f"odflow.forecast.rivals.{_PLACES[name]}", name)
