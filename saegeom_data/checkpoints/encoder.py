r"""Codes of any SAE that this package imports, by one formula over the variables and attributes of its group.

For activations :math:`x` (..., hidden), pre-activations :math:`p` and codes :math:`z` (..., features) are

.. math:: p = \nu \odot \bigl(E (s \, n(x - m) - c) + b\bigr), \qquad z = \sigma(p)

with the mean :math:`m` of :math:`x` over hidden where there is an ``input_centring`` and else 0, the encoder :math:`E`
(features, hidden), its bias :math:`b` (features), ``input_normalisation`` :math:`n`,
``input_scale`` :math:`s`, the decoder's bias :math:`c` (hidden) where ``subtracts_decoder_bias`` and else 0, the norms
of the decoder rows :math:`\nu` (features) where ``rescales_by_decoder_norm`` and else 1, and ``activation_function``
:math:`\sigma`. Decoding divides by :math:`\nu` again:

.. math:: \hat x = n^{-1}\Bigl(\tfrac{1}{o} \bigl(D^\top (f \odot z / \nu) + c\bigr)\Bigr) + m

with the decoder :math:`D` (features, hidden), ``scaling_factor`` :math:`f` (features) of fine-tuned SAEs, and
``output_scale`` :math:`o`; :math:`c` is added wherever there is one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.errors import DataValueError, ParameterError, require

if TYPE_CHECKING:
    import torch
    import xarray as xr

# What OpenAI's library and SAELens add to the deviation of a layer norm.
_EPSILON = 1e-5
_COUNTED = ("topk", "abstopk", "groupmax")
_NEEDED = {
    "jumprelu": ("encoder_bias", "threshold"),
    "gated": ("gate_bias", "magnitude_bias", "log_magnitude"),
}


class Encoder:
    """Encodes activations as the library that trained the SAE does.

    Parameters
    ----------
    features
        The group ``/saes/<name>/features`` with its encoder: from :func:`open_checkpoint` or a store.
    device
        Where torch computes.

    Raises
    ------
    DataValueError
        If the group lacks its encoder or what its activation function needs.
    ParameterError
        If nothing says how the SAE encodes, or its configuration asks for what is not applied.
    MissingDependencyError
        If torch is not installed.

    Examples
    --------
    >>> import pytest
    >>> torch = pytest.importorskip("torch")
    >>> import xarray as xr
    >>> eye = (("features", "hidden"), np.eye(3, 2, dtype="float32"))
    >>> features = xr.Dataset({"encoder": eye, "decoder": eye, "encoder_bias": ("features", np.zeros(3, "float32"))})
    >>> encoder = Encoder(features.assign_attrs(activation_function="topk", k=1))
    >>> encoder(torch.tensor([[2.0, 1.0]])).tolist()
    [[2.0, 0.0, 0.0]]
    """

    def __init__(self, features: xr.Dataset, *, device: str = "cpu") -> None:
        require("torch", "harvest")
        self._attrs = {str(name): value for name, value in features.attrs.items()}
        self.activation_function = str(self._attrs.get("activation_function", "unknown"))
        self._where = str(features.attrs.get("path", "this SAE"))
        refuse_incomplete(features)
        self._tensors = {str(name): _tensor(variable.values, device) for name, variable in features.data_vars.items()}
        self._norms = self._tensors["decoder"].norm(dim=-1) if self._attrs.get("rescales_by_decoder_norm") else None

    def __call__(self, activations: torch.Tensor) -> torch.Tensor:
        """Return codes (..., features) of activations (..., hidden), in the dtype of the weights.

        Raises
        ------
        DataValueError
            If it is no tensor, or one whose last dimension is not the SAE's hidden size.
        """
        return self._codes(activations)[0]

    def reconstruct(self, activations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return codes, and the activations that are decoded from them, in the units of those that came in.

        What a transcoder decodes is another activation, to which mean and scale of its input are not given back.

        Raises
        ------
        DataValueError
            If a skip connection, which is not imported, makes up a part of them.
        """
        import torch

        if self._attrs.get("skip_connection"):
            raise DataValueError(
                f"{self._where}: has a skip connection, which is not imported; only its codes can be computed"
            )
        codes, mean, factor = self._codes(activations)
        if "transcoder" in str(self._attrs.get("architecture")):
            mean, factor = 0.0, 1.0
        with torch.inference_mode():
            scaled = codes * self._tensors.get("scaling_factor", 1.0)
            decoded = (scaled if self._norms is None else scaled * (1 / self._norms)) @ self._tensors["decoder"]
            decoded = decoded + self._tensors.get("decoder_bias", 0.0)
            return codes, decoded / float(self._attrs.get("output_scale", 1.0)) * factor + mean

    def _codes(self, activations: torch.Tensor) -> tuple[torch.Tensor, Any, Any]:
        """Codes (..., features) by the formula of the module, with the mean and the factor that undo :math:`n`."""
        import torch

        n_hidden = self._tensors["encoder"].shape[-1]
        if not isinstance(activations, torch.Tensor) or activations.shape[-1:] != (n_hidden,):
            is_tensor = isinstance(activations, torch.Tensor)
            got = tuple(activations.shape) if is_tensor else type(activations).__name__
            raise DataValueError(f"{self._where}: got activations {got}, expected a tensor (..., {n_hidden})")
        with torch.inference_mode():
            x, mean, factor = self._normalised(activations.to(self._tensors["encoder"]))
            scale = float(self._attrs.get("input_scale", 1.0))
            x = x if scale == 1.0 else x * scale
            x = x - self._tensors["decoder_bias"] if self._attrs.get("subtracts_decoder_bias") else x
            linear = torch.nn.functional.linear(x, self._tensors["encoder"], self._tensors.get("encoder_bias"))
            return self._sparse(linear if self._norms is None else linear * self._norms), mean, factor

    def _normalised(self, x: torch.Tensor) -> tuple[torch.Tensor, Any, Any]:
        r"""Return :math:`n(x) = (x - m) / a` of :math:`x` (..., hidden), :math:`m` and :math:`a`, (..., 1) or numbers.

        A centred :math:`x` is less its mean already, which is then part of :math:`m`.

        ``layer_norm``
            :math:`m` is the mean over the :math:`d` hidden units and :math:`a` their deviation, over :math:`d - 1`. A
            small number is added to the deviation by which :math:`x` is divided, and not to :math:`a`, as in the
            libraries that train these SAEs.
        ``constant_norm_rescale``
            :math:`m = 0` and :math:`a = \lVert x \rVert / \sqrt d`.
        ``none`` and ``expected_average_only_in``
            :math:`m = 0` and :math:`a = 1`: the factor of the latter is ``input_scale``.
        """
        centre = x.mean(dim=-1, keepdim=True) if self._attrs.get("input_centring") else 0.0
        x = x - centre
        match self._attrs.get("input_normalisation", "none"):
            case "layer_norm":
                mean = x.mean(dim=-1, keepdim=True)
                deviation = (x - mean).std(dim=-1, keepdim=True)
                return (x - mean) / (deviation + _EPSILON), mean + centre, deviation
            case "constant_norm_rescale":
                factor = x.norm(dim=-1, keepdim=True) / x.shape[-1] ** 0.5
                return x / factor, centre, factor
            case _:
                return x, centre, 1.0

    def _sparse(self, linear: torch.Tensor) -> torch.Tensor:
        r"""Return :math:`\sigma(p)` of pre-activations :math:`p` (..., features).

        ``relu``
            :math:`\max(p, 0)`.
        ``topk``
            :math:`\max(p_i, 0)` where :math:`p_i` is among the ``k`` largest, else 0.
        ``abstopk``
            :math:`p_i` where :math:`|p_i|` is among the ``k`` largest, else 0.
        ``groupmax``
            Features are in ``k`` groups of neighbours: :math:`\max(p_i, 0)` where it is the largest of its group.
        ``jumprelu``
            :math:`\max(p_i, 0)` where :math:`p_i > \theta_i`, with ``threshold`` :math:`\theta`.
        ``gated``
            :math:`\max(e^{r_i} p_i + m_i, 0)` where :math:`p_i + g_i > 0`, with ``log_magnitude`` :math:`r`,
            ``magnitude_bias`` :math:`m` and ``gate_bias`` :math:`g`; there is no :math:`b` in :math:`p`.
        """
        k = int(self._attrs.get("k", 0))
        match self.activation_function:
            case "topk":
                return _kept(linear.relu(), linear, k)
            case "abstopk":
                return _kept(linear, linear.abs(), k)
            case "groupmax":
                groups = linear.relu().unflatten(-1, (k, -1))
                values, indices = groups.max(dim=-1, keepdim=True)
                return groups.new_zeros(groups.shape).scatter_(-1, indices, values).flatten(-2)
            case "jumprelu":
                return linear.relu() * (linear > self._tensors["threshold"])
            case "gated":
                gate = linear + self._tensors["gate_bias"] > 0
                return gate * (self._tensors["log_magnitude"].exp() * linear + self._tensors["magnitude_bias"]).relu()
            case _:
                return linear.relu()


def refuse_incomplete(features: xr.Dataset) -> None:
    """Raise unless a group says how its SAE encodes, and holds what that takes.

    Raises
    ------
    DataValueError, ParameterError
        As :class:`Encoder` does.
    """
    where, activation = features.attrs.get("path", "this SAE"), features.attrs.get("activation_function", "unknown")
    if activation not in ("relu", "jumprelu", "gated", *_COUNTED):
        raise ParameterError(
            f"{where}: nothing says how it encodes (activation_function is {activation!r}, architecture"
            f" {features.attrs.get('architecture')!r}); encode it with the library that trained it"
        )
    unsupported = json.loads(features.attrs.get("unsupported_settings", "{}"))
    if unsupported:
        raise ParameterError(
            f"{'; '.join(unsupported.values())}; its decoder can be read, and nothing be encoded by it"
        )
    needed = ["encoder", "decoder", *_NEEDED.get(activation, ("encoder_bias",))]
    needed += ["decoder_bias"] if features.attrs.get("subtracts_decoder_bias") else []
    missing = [name for name in needed if name not in features]
    if missing:
        raise DataValueError(
            f"{where}: no {', '.join(missing)} in it; import it with --encoder from a whole checkpoint"
        )
    if activation in _COUNTED and "k" not in features.attrs:
        raise ParameterError(
            f"{where}: got no k, the number of features that fire on a token, in its file or the names of its folders;"
            " import it from the folder or repository that names it, or the decoder alone, without --encoder"
        )
    if activation in _COUNTED and not 0 < int(features.attrs.get("k", 0)) <= features.sizes["features"]:
        raise ParameterError(f"{where}: got k = {features.attrs.get('k')}, expected 1 to {features.sizes['features']}")
    if activation == "groupmax" and features.sizes["features"] % int(features.attrs["k"]):
        raise ParameterError(
            f"{where}: got k = {features.attrs['k']} groups of {features.sizes['features']} features, expected a k that"
            " divides them"
        )


def _kept(values: torch.Tensor, ranked: torch.Tensor, k: int) -> torch.Tensor:
    """Values (..., features) where ``ranked``, of the same shape, is among its ``k`` largest; 0 elsewhere."""
    # Where values tie at the k-th place exactly k are kept, as by the libraries that train these
    # SAEs; a threshold keeps more.
    indices = ranked.topk(k, dim=-1, sorted=False).indices
    return values.new_zeros(values.shape).scatter_(-1, indices, values.gather(-1, indices))


def _tensor(array: Any, device: str) -> torch.Tensor:
    import torch

    # float16 is only how a store keeps weights: computing in it would change which features fire.
    kept = array.astype(np.float32) if array.dtype == np.float16 else array
    # A copy: arrays that are mapped from a file cannot be written to, which torch warns of.
    return torch.from_numpy(np.array(kept)).to(device)
