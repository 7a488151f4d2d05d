"""Facts that a user states of checkpoints: one value for all, or values by patterns of the files' names."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from saegeom_data.checkpoints.checkpoint import Checkpoint
from saegeom_data.checkpoints.shapes import oriented
from saegeom_data.checkpoints.sites import layer_of, site_problem
from saegeom_data.checkpoints.written_sites import known_sites
from saegeom_data.data.group_kinds import PER_SITE
from saegeom_data.errors import ParameterError, first_names

_log = logging.getLogger(__name__)

# One value for all files, or values by patterns of their names.
Fact = str | int | float | Mapping[str, Any] | None
# What a store must state of each SAE, in the words of messages.
_FACTS = {
    "model": "the model that it was trained on",
    "site": "where it reads, and where it writes too if it is no transcoder, such as blocks.6.hook_resid_post or"
    " blocks.{layer}.hook_resid_post",
    "layer": "the number of the block",
    "l0": "features on a token, on average; nan if it is not known",
    "architecture": "the kind of SAE, such as topk",
}


_LAYER = "{layer}"
# A number behind one of these words in the name of a file, where a site is stated for all layers.
_NAMED_LAYER = re.compile(r"(?:^|[^A-Za-z0-9])(?:blocks?|layers?|[hlL])[-_.]?(\d+)(?![A-Za-z0-9])")


def fact_for(file: str, fact: Fact) -> Any:
    """Value of a fact for one file: that of the last pattern that fits its name, or the one value for all.

    A pattern that is the name itself fits it, whatever signs are in it.
    """
    if not isinstance(fact, Mapping):
        return fact
    fitting = [value for pattern, value in fact.items() if file == pattern or fnmatchcase(file, pattern)]
    # The last one counts, so that exceptions can follow a pattern for all.
    return fitting[-1] if fitting else None


def refuse_unused(facts: Mapping[str, Fact], files: Iterable[str]) -> None:
    """Raise :class:`ParameterError` for a pattern that fits no file: what it states would be without effect."""
    names = list(files)
    for name, fact in facts.items():
        for pattern, value in fact.items() if isinstance(fact, Mapping) else ():
            if all(fact_for(file, {pattern: True}) is None for file in names):
                shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
                raise ParameterError(f"--{name}: {pattern!r} (for {value}) fits none of the files ({shown}); fix it")


def filled(checkpoint: Checkpoint, facts: Mapping[str, Fact]) -> dict[str, Any]:
    """Facts that the user states of one checkpoint, with its layer in the place of ``{layer}`` in the site.

    That is the layer that is stated, or that the checkpoint states, or else the only one in the name of its file.

    Raises
    ------
    ParameterError
        If a site is no place in a model, or nothing says its layer.
    """
    file = checkpoint.file
    own = {fact: fact_for(file.name, value) for fact, value in facts.items()}
    site = own.get("site")
    if checkpoint.parts["decoder"].n_sites or not isinstance(site, str):
        return own
    if _LAYER in site:
        layer = own.get("layer") if own.get("layer") is not None else checkpoint.site.layer
        in_name = set(_NAMED_LAYER.findall(file.name))
        layer = in_name.pop() if layer is None and len(in_name) == 1 else layer
        if layer is None:
            raise ParameterError(
                f"{file.shown}: site: got {site!r}, and neither the checkpoint nor the name of its file says one layer;"
                " give --layer PATTERN=VALUE"
            )
        site = site.replace(_LAYER, str(layer))
    site = site.strip()
    if problem := site_problem(site):
        raise ParameterError(f"{file.shown}: site: {problem}; give --site")
    return own | {"site": site}


def stated(checkpoint: Checkpoint, facts: Mapping[str, Any]) -> Checkpoint:
    """Return the checkpoint with the site and the model that the user states of it, as :func:`filled` has them."""
    site, model = (value if isinstance(value := facts.get(name), str) else None for name in ("site", "model"))
    if checkpoint.parts["decoder"].n_sites:
        # Sites that it writes to say nothing of where it reads.
        site = None
    transcoder = "transcoder" in (checkpoint.architecture or "")
    return replace(checkpoint, site=checkpoint.site.stated(site, model, transcoder=transcoder))


def refuse_missing(checkpoints: Sequence[Checkpoint], facts: Sequence[Mapping[str, Any]]) -> None:
    """Raise :class:`ParameterError` with all that neither checkpoints nor user state, one problem for those alike.

    Parameters
    ----------
    checkpoints
        As :func:`stated` makes them.
    facts
        What the user states of each.
    """
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for checkpoint, own in zip(checkpoints, facts, strict=True):
        if missing := _missing(checkpoint, own):
            alike.setdefault(tuple(missing.items()), []).append(checkpoint.file.shown)
    problems = []
    for facts_missing, names in alike.items():
        shown = first_names(names, 3)
        *others, last = (name for name, _ in facts_missing)
        told = f"{', '.join(others)} and {last} are" if others else f"{last} is"
        where = "the checkpoints" if len(names) > 1 else "the checkpoint"
        asked = ", ".join(f"--{name} ({what})" for name, what in facts_missing)
        problems.append(f"{shown}: {told} not in {where}; give {asked}, or PATTERN=VALUE for some of several")
    if problems:
        raise ParameterError(*problems)


def _missing(checkpoint: Checkpoint, facts: Mapping[str, Any]) -> dict[str, str]:
    """Facts that nobody states of a checkpoint, with what each of them is."""
    own, n_sites = _own(checkpoint), checkpoint.parts["decoder"].n_sites
    known = dict(_FACTS)
    told = {name for name in _FACTS if facts.get(name) is not None or own[name] is not None}
    if n_sites:
        known["site"] = f"all {n_sites} that it writes to: blocks.3.hook_resid_post,blocks.7.hook_resid_post and so on"
        # Where it reads says nothing of them, and their names may say their layers.
        told = (told | {"site"} if checkpoint.writes or facts.get("site") is not None else told - {"site"}) | {"layer"}
    elif "site" not in told or layer_of(str(facts.get("site") or own["site"])) is not None:
        told |= {"layer"}
    return {name: what for name, what in known.items() if name not in told}


def known_facts(checkpoint: Checkpoint, facts: Mapping[str, Any], found: Checkpoint) -> dict[str, Any]:
    """What is known of a checkpoint: what the user states of it, or else what it states itself.

    Site and layer are lists where it writes to several sites.

    Parameters
    ----------
    checkpoint
        The checkpoint as :func:`stated` makes it, of which :func:`refuse_missing` misses nothing.
    facts
        What the user states of it.
    found
        The checkpoint as its files say; what is stated otherwise is logged.

    Raises
    ------
    ParameterError
        If a fact is not a number where it has to be, cannot be, or a layer is not that of the site.
    """
    own = _own(checkpoint)
    several = bool(checkpoint.parts["decoder"].n_sites)
    known: dict[str, Any] = {}
    for name in _FACTS:
        if several and name in PER_SITE:
            continue
        # What is stated of a transcoder is where it reads; it is known by where it writes.
        writes = (
            name == "site" and "transcoder" in (checkpoint.architecture or "") and checkpoint.site.writes is not None
        )
        value = None if writes else facts.get(name)
        known[name] = own[name] if value is None else value
    if not several and known["layer"] is None:
        known["layer"] = layer_of(known["site"] if isinstance(known["site"], str) else None)
    for name, value in known.items():
        known[name] = _typed_fact(name, value, checkpoint.file.shown)
    # A hook's name may follow from a model that is given, which contradicts nothing.
    given = [name for name in known if facts.get(name) is not None]
    if not several:
        _refuse_other_layer(checkpoint, known, given)
    _say_overruled(checkpoint, _own(found), {name: known[name] for name in given})
    _refuse_impossible(checkpoint, known)
    if several:
        known |= known_sites(checkpoint, *(facts.get(name) for name in PER_SITE))
    return known


def _refuse_other_layer(checkpoint: Checkpoint, known: Mapping[str, Any], given: Sequence[str]) -> None:
    """Raise :class:`ParameterError` for a layer that is not that of the site: hooks and modules would be of another."""
    of_site = layer_of(known["site"])
    if "layer" in given and of_site not in (None, known["layer"]):
        whose = "that is given" if "site" in given else "in the checkpoint"
        raise ParameterError(
            f"{checkpoint.file.shown}: layer: got {known['layer']}, and the site {whose}, {known['site']}, is of layer"
            f" {of_site}; leave out --layer, or give the --site that it is"
        )


def _own(checkpoint: Checkpoint) -> dict[str, Any]:
    """What a checkpoint states of itself; None where it states nothing."""
    return {
        "model": checkpoint.site.model,
        "site": checkpoint.site.label,
        "layer": checkpoint.site.layer,
        "l0": checkpoint.l0,
        "architecture": checkpoint.architecture,
    }


def _say_overruled(checkpoint: Checkpoint, own: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Log in one line what the user states that the checkpoint states otherwise."""
    overruled = [
        f"{name} {value:g} as given, not {own[name]:g}" if name == "l0" else f"{name} {value} as given, not {own[name]}"
        for name, value in known.items()
        if own[name] not in (None, value) and str(own[name]) != str(value)
    ]
    if overruled:
        _log.warning("%s: %s", checkpoint.file.shown, "; ".join(overruled))


def _refuse_impossible(checkpoint: Checkpoint, known: Mapping[str, Any]) -> None:
    """Raise :class:`ParameterError` for more features on a token than there are, or than can fire."""
    decoder, encoding = checkpoint.parts["decoder"], checkpoint.encoding
    features, hidden = oriented(decoder)
    if known["l0"] > features:
        got = (
            f"{checkpoint.file.shown}: l0: got {known['l0']:g} of {features:,} features x {hidden:,} hidden, more than"
        )
        if known["l0"] != checkpoint.l0:
            raise ParameterError(f"{got} there are; give --l0, or --orientation if it lies the other way round")
        # A format with a configuration tells how its matrices lie, so that the number itself is what is wrong.
        _log.warning("%s there are, as its configuration says; give --l0", got)
    if (
        encoding.k is not None
        and encoding.activation_function in ("topk", "abstopk", "groupmax")
        and known["l0"] > encoding.k
    ):
        raise ParameterError(
            f"{checkpoint.file.shown}: l0: got {known['l0']:g}, and no more than k = {encoding.k} fire on a token;"
            " leave --l0 out"
        )
    if "encoder" in checkpoint.parts and "transcoder" not in known["architecture"]:
        reads = oriented(checkpoint.parts["encoder"])[1]
        if reads != hidden:
            raise ParameterError(
                f"{checkpoint.file.shown}: its encoder reads {reads:,} hidden units and its decoder writes {hidden:,},"
                " as only a transcoder does; give --architecture transcoder if it is one"
            )


def _typed_fact(name: str, value: Any, where: str) -> Any:
    """Text as it is, numbers as numbers: configurations hold anything."""
    try:
        # True and false are 1 and 0 to Python, and no numbers.
        if name in ("layer", "l0") and not isinstance(value, bool):
            number = int(value) if name == "layer" else float(value)
            # L0 may be NaN, which is not below 0 either.
            if not number < 0:
                return number
        elif isinstance(value, str) and name not in ("layer", "l0"):
            return value
    except (TypeError, ValueError, OverflowError):
        pass
    raise ParameterError(f"{where}: {name}: got {str(value)[:60]!r}, expected {_FACTS[name]}; give --{name}")
