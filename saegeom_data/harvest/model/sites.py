"""Named sites of a loaded transformer: its hidden states, and what goes into and comes out of its modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from saegeom_data.checkpoints.architectures import ARCHITECTURES, ENDS, Architecture, unwrapped
from saegeom_data.checkpoints.sites import is_hook
from saegeom_data.checkpoints.sites import layer_of as block_of
from saegeom_data.errors import ParameterError, suggest

_HIDDEN_STATE = "hidden_state_"
# Where a model keeps the one that reads text, as in a model with a vision tower.
_INNER = ("", "language_model.", "text_model.", "model.", "model.language_model.", "transformer.")


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


def check_sites(sites: Sequence[str], model: Any, where: str = "activations.sites") -> None:
    """Raise :class:`ParameterError` for sites that a model does not have; near matches are offered.

    Parameters
    ----------
    sites
        Hidden states, hooks of TransformerLens, or modules with an end.
    model
        The loaded model, whose architecture says what a hook stands for.
    where
        What names the sites, for messages.
    """
    if model.config.is_encoder_decoder:
        raise ParameterError("model: encoder-decoder models have no single stack of hidden states; give another model")
    layers = int(model.config.get_text_config().num_hidden_layers)
    states = [f"{_HIDDEN_STATE}{layer}" for layer in range(layers + 1)]
    for site in sites:
        if site not in states and _place(site, model) is None:
            architecture = _architecture(model)
            # TransformerLens folds weight and bias away or keeps them, and calls the place alike.
            norm = architecture.module(site.replace("hook_normalized", "hook_in")) if architecture else None
            stem = (norm or "").removesuffix(".input")
            if stem and site.endswith(".hook_normalized") and _submodule(stem, model) is not None:
                raise ParameterError(
                    f"{where}: {site!r}: of a layer norm this is before or after its weight and bias, by how the model"
                    f" was loaded; give {stem}.normalized (before) or {stem}.output (after)"
                )
            hooks = (
                [f"blocks.{block}.{hook}" for block in range(layers) for hook in architecture.hooks]
                if architecture
                else []
            )
            modules = [f"{name}.{end}" for name, _ in model.named_modules() if name for end in ("output", "input")]
            named = f" and blocks.0.* to blocks.{layers - 1}.*" if hooks else ""
            known = hooks if is_hook(site) and hooks else [*states, *modules]
            raise ParameterError(
                f"{where}: {site!r}: the model has {states[0]} to {states[-1]}{named}, and"
                f" modules by name ({model.config.model_type}){suggest(site, known)}"
            )


def _architecture(model: Any) -> Architecture | None:
    """The architecture that the model's own configuration says."""
    config = model.config.get_text_config()
    kind = str(config.model_type)
    # One type has both: what its MLP reads depends on this setting.
    if kind == "gpt_neox" and not config.use_parallel_residual:
        kind = "gpt_neox_sequential"
    return ARCHITECTURES.get(kind)


def _place(site: str, model: Any) -> tuple[Any, str] | None:
    """The module that a site names, and which end of it is meant; None if there is none."""
    architecture = _architecture(model)
    name = site if not is_hook(site) else architecture.module(site) if architecture else None
    path, _, end = (name or "").rpartition(".")
    module = _submodule(path, model) if path and end in ENDS else None
    return None if module is None or (end == "normalized" and not _is_norm(module)) else (module, end)


def _submodule(path: str, model: Any) -> Any:
    """The module of a name, which may be of a class that wraps the model or that the model wraps; None if none is."""
    inner = unwrapped(path.removeprefix(f"{model.base_model_prefix}."))
    # As it is named first: a wrapper may hold a module of the inner name that is another.
    for name in (path, *(f"{outer}{inner}" for outer in _INNER)):
        try:
            return model.get_submodule(name)
        except AttributeError:
            continue
    return None


def _is_norm(module: Any) -> bool:
    known = _centres(module) or type(module).__name__.endswith("RMSNorm")
    return known and isinstance(_epsilon(module), float)


def _centres(norm: Any) -> bool:
    """Whether a norm subtracts the mean of its input first, as a layer norm does and an RMS norm does not."""
    from torch.nn import LayerNorm

    return isinstance(norm, LayerNorm)


def _epsilon(norm: Any) -> Any:
    return getattr(norm, "variance_epsilon", getattr(norm, "eps", None))


@contextmanager
def read_modules(model: Any, sites: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a mapping that holds, after a call of the model inside, what passed at some sites.

    Raises
    ------
    ParameterError
        If the model calls a module of theirs more than once: nothing says which call is meant.
    """
    found: dict[str, Any] = {}
    handles = []
    try:
        for site in sites:
            place = None if is_hidden_state(site) else _place(site, model)
            if place is not None:
                handles.append(_hooked(*place, found, site))
        yield found
    finally:
        # Hooks that stay would take the next call of the model for a second one, and refuse it.
        for handle in handles:
            handle.remove()


def _hooked(module: Any, end: str, found: dict[str, Any], site: str) -> Any:
    def keep(state: Any) -> None:
        # A module that layers share is called once for each: the last call would silently replace the others.
        if site in found:
            raise ParameterError(f"{site}: the model calls this module more than once for a text; choose another site")
        # Attention and blocks give a tuple, whose first is the state.
        found[site] = state[0] if isinstance(state, tuple | list) else state

    def before(_module: Any, inputs: Any, named: dict[str, Any]) -> None:
        # Modules that are called with names alone, as attention is in some models.
        state = inputs[0] if inputs else named.get("hidden_states", next(iter(named.values()), None))
        keep(_normalized(module, state) if end == "normalized" else state)

    if end == "output":
        return module.register_forward_hook(lambda _module, _inputs, output: keep(output))
    return module.register_forward_pre_hook(before, with_kwargs=True)


def _normalized(norm: Any, x: Any) -> Any:
    r"""What a norm gives before its weight and bias: :math:`x / \sqrt{\overline{x^2} + \epsilon}`, in float32.

    Of x (..., hidden), less its mean first in a layer norm; :math:`\epsilon` is the norm's own.
    """
    x = x.float()
    if _centres(norm):
        x = x - x.mean(-1, keepdim=True)
    return x * (x.square().mean(-1, keepdim=True) + _epsilon(norm)).rsqrt()
