"""Named sites of a loaded transformer: its hidden states, and what goes into and comes out of its modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from saegeom_data.checkpoints.sites import hook_names, huggingface_name
from saegeom_data.checkpoints.sites import layer_of as block_of
from saegeom_data.errors import ParameterError, suggest

_HIDDEN_STATE = "hidden_state_"
# Names of families of models, by the names that `transformers` gives their architectures.
_FAMILIES = {"gemma2": "gemma-2", "gemma3": "gemma-3", "gemma3_text": "gemma-3", "gpt_neox": "pythia"}


def layer_of(site: str) -> int:
    """Return the number of a hidden state (0 for the embedding's output) or of the block that a site is in.

    Examples
    --------
    >>> layer_of("hidden_state_3"), layer_of("blocks.12.hook_mlp_out"), layer_of("wte.output")
    (3, 12, 0)
    """
    return int(site.removeprefix(_HIDDEN_STATE)) if is_hidden_state(site) else block_of(site) or 0


def is_hidden_state(site: str) -> bool:
    """Whether a site is one of the model's own hidden states."""
    return site.startswith(_HIDDEN_STATE)


def check_sites(sites: Sequence[str], model: Any) -> None:
    """Raise :class:`ParameterError` for sites that a model does not have; near matches are offered."""
    if model.config.is_encoder_decoder:
        raise ParameterError("model: encoder-decoder models have no single stack of hidden states; give another model")
    layers = int(model.config.get_text_config().num_hidden_layers)
    states = [f"{_HIDDEN_STATE}{layer}" for layer in range(layers + 1)]
    hooks = hook_names(_family(model), layers)
    for site in sites:
        if site not in states and _module(site, model) is None:
            modules = [f"{name}.{end}" for name, _ in model.named_modules() if name for end in ("output", "input")]
            named = f" and blocks.0.* to blocks.{layers - 1}.*" if hooks else ""
            raise ParameterError(
                f"activations.sites: {site!r}: the model has {states[0]} to {states[-1]}{named}"
                f"{suggest(site, hooks or [*states, *modules])}"
            )


def _family(model: Any) -> str:
    kind = str(model.config.get_text_config().model_type)
    return _FAMILIES.get(kind, kind)


def _module(site: str, model: Any) -> tuple[Any, bool] | None:
    """The module that a site names, and whether it is its output that is meant; None if there is none."""
    name = huggingface_name(site, _family(model)) or site
    path, _, end = name.removeprefix(f"{model.base_model_prefix}.").rpartition(".")
    try:
        module = model.get_submodule(path) if path else None
    except AttributeError:
        module = None
    return None if module is None or end not in ("input", "output") else (module, end == "output")


@contextmanager
def read_modules(model: Any, sites: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a mapping that holds, after each call of the model inside, what passed at some sites."""
    found: dict[str, Any] = {}
    handles = []
    try:
        for site in sites:
            place = None if is_hidden_state(site) else _module(site, model)
            if place is not None:
                module, after = place
                handles.append(_after(module, found, site) if after else _before(module, found, site))
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _after(module: Any, found: dict[str, Any], site: str) -> Any:
    def keep(_module: Any, _inputs: Any, output: Any) -> None:
        found[site] = output[0] if isinstance(output, tuple) else output

    hook: Callable[..., None] = keep
    return module.register_forward_hook(hook)


def _before(module: Any, found: dict[str, Any], site: str) -> Any:
    def keep(_module: Any, inputs: Any, named: dict[str, Any]) -> None:
        found[site] = inputs[0] if inputs else named["hidden_states"]

    return module.register_forward_pre_hook(keep, with_kwargs=True)
