"""What the tokens of a feature are told with."""

from __future__ import annotations

from saegeom_data.declare.output import Output

_RANKS = ("features", "ranks")


OUTPUTS = (
    Output(
        "n_fired",
        ("features",),
        "count",
        "tokens on which the feature fires",
        -1,
        "int64",
        (0, None),
        label="tokens it fires on",
    ),
    Output(
        "n_documents",
        ("features",),
        "count",
        "documents in which it fires",
        -1,
        "int64",
        (0, None),
        label="documents it fires in",
    ),
    Output(
        "token_by_mean", _RANKS, "index", "tokens by mean activation; -1 for none", -1, "int64", label="token by mean"
    ),
    Output(
        "mean_activation",
        _RANKS,
        "activation",
        "mean activation over all tokens of that kind",
        bounds=(0, None),
        label="mean activation",
    ),
    Output("text_by_mean", _RANKS, "1", "their text; empty without a vocabulary", "", "str", label="text by mean"),
    Output(
        "token_by_odds",
        _RANKS,
        "index",
        "tokens that it fires on more often than on others; -1 for none",
        -1,
        "int64",
        label="token by odds",
    ),
    Output("log_odds", _RANKS, "nats", "log-odds of firing on the token against the rest", label="log odds"),
    Output(
        "documents_with_both",
        _RANKS,
        "count",
        "documents in which it fires on the token",
        bounds=(0, None),
        label="documents with both",
    ),
    Output("p", _RANKS, "1", "probability of as many such documents by chance", bounds=(0, 1), direction="lower"),
    Output("q", _RANKS, "1", "false discovery rate over all features and tokens", bounds=(0, 1), direction="lower"),
    Output("text_by_odds", _RANKS, "1", "their text; empty without a vocabulary", "", "str", label="text by odds"),
    Output(
        "type_rate",
        ("features", "document_type"),
        "1",
        "share of the tokens of a type it fires on",
        bounds=(0, 1),
        label="type rate",
    ),
    Output(
        "type_rate_error",
        ("features", "document_type"),
        "1",
        "its standard error over documents",
        bounds=(0, None),
        label="type rate error",
    ),
)


BY_NAME = {output.name: output for output in OUTPUTS}
