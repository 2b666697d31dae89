"""Model descriptions from Hugging Face ``config.json`` files.

Every key of the file is either used, known to leave shapes and counts alone, or refused by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from archsim.config.schema import validate_model
from archsim.errors import ConfigError, nearest
from workloads.hugging_face_config import ConfigFile, ConfigReader
from workloads.hugging_face_readers import ARCHITECTURES
from workloads.model import ModelConfig

MAX_BYTES: Final = 1 << 20

NOT_TRANSFORMERS: Final = {
    "bamba": "Mamba-2 layers",
    "falcon_h1": "Mamba-2 layers beside attention",
    "falcon_mamba": "Mamba layers",
    "granitemoehybrid": "Mamba-2 layers",
    "jamba": "Mamba layers",
    "lfm2": "gated short convolutions",
    "mamba": "Mamba layers",
    "mamba2": "Mamba-2 layers",
    "minimax": "lightning (linear) attention layers",
    "nemotron_h": "Mamba-2 layers",
    "qwen3_next": "gated DeltaNet layers",
    "recurrent_gemma": "recurrent (RG-LRU) layers",
    "rwkv": "RWKV time-mix layers",
    "xlstm": "xLSTM layers",
    "zamba": "Mamba layers",
    "zamba2": "Mamba-2 layers",
}
"""Architectures with layers that are no attention or feed-forward parts, and which."""

_IGNORED: Final = re.compile(
    r"_.*|architectures|auto_map|.*dropout.*|layerdrop|max_sequence_length|.*_token_index|vision_config|mm_tokens_per_image|.*_drop|.*pdrop|.*token_id|.*_tokens?|torch_dtype|dtype"
    r"|transformers_version|use_cache|initializer_.*|init_.*|model_type|name|.*aux_loss.*"
    r"|rope_scaling|rope_parameters|pretraining_tp|output_.*|summary_.*|task_specific_params"
    r"|quantization_config|ep_size|seq_aux|.*z_loss.*|.*router_logits"
    r"|router_jitter_noise|input_jitter_noise|gradient_checkpointing|n_ctx|attention_type"
    r"|num_nextn_predict_layers|cache_implementation|layer_norm_elementwise_affine|prefix"
    r"|original_max_position_embeddings|embd_pdrop|max_window_layers|parallel_attn|swiglu_limit"
    r"|experts_per_token|rope_local_base_freq|problem_type|is_decoder|id2label|label2id|use_mrope"
    r"|attn_implementation|scale_attn_weights|reorder_and_upcast_attn|scale_attn_by_inverse_layer_idx"
    r"|return_dict|tokenizer_class|language|bos|eos|rotary_emb_base|use_bidirectional_attention"
)
"""Keys that change neither shapes nor counts (rotary scaling changes table values only)."""


def import_config(source: str | Path | Mapping[str, object], *, name: str = "") -> ModelConfig:
    """Return the model that a Hugging Face ``config.json`` describes.

    Parameters
    ----------
    source
        Path of the file (or of the folder that holds it), or its content.
    name
        Id of the model; default from ``_name_or_path`` or the folder's name.

    Raises
    ------
    ConfigError
        The file cannot be read; the architecture, or a key of it, is not supported (named).
    """
    data, where, folder = _load(source)
    kind = data.get("model_type")
    if not isinstance(kind, str):
        raise ConfigError("required key is missing", location=where.place(), path="model_type")
    if kind in NOT_TRANSFORMERS:
        raise ConfigError(
            f"{kind} has {NOT_TRANSFORMERS[kind]}, which are not supported",
            location=where.place("model_type"),
            path="model_type",
            given=kind,
        )
    if kind not in ARCHITECTURES:
        raise ConfigError(
            "unsupported architecture",
            location=where.place("model_type"),
            path="model_type",
            given=kind,
            allowed=sorted(ARCHITECTURES),
            hint=nearest(kind, ARCHITECTURES),
        )
    reader = ConfigReader(data, where)
    fields = ARCHITECTURES[kind](reader)
    _refuse_unknown(reader)
    known = str(data.get("_name_or_path") or folder or kind)
    words = re.sub(r"[^a-z0-9.-]+", "-", (name or known.rpartition("/")[2]).lower()).strip("-.")
    fields["name"] = words or kind
    fields["source"] = f"Hugging Face config.json ({kind})"
    try:
        return validate_model(ModelConfig, fields, None, "workload")
    except ConfigError as error:
        raise error.at(location=where.place()) from error


def _load(
    source: str | Path | Mapping[str, object],
) -> tuple[Mapping[str, object], ConfigFile, str]:
    if isinstance(source, Mapping):
        return source, ConfigFile("config.json"), ""
    path = Path(source)
    if path.is_dir():
        path = path / "config.json"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: file is larger than {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not JSON: {str(error).splitlines()[0]}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must be a JSON object", given=type(data).__name__)
    return data, ConfigFile(str(path), text), path.resolve().parent.name


def _refuse_unknown(reader: ConfigReader) -> None:
    for key, value in reader.data.items():
        idle = value is None or value is False or value == [] or value == {}
        if key not in reader.used and not idle and not _IGNORED.fullmatch(key):
            raise reader.fail(key, "unsupported key", value if _is_plain(value) else "…")
    for part in reader.parts:
        _refuse_unknown(part)


def _is_plain(value: object) -> bool:
    return isinstance(value, bool | int | float | str)
