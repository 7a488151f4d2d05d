"""What examples are told with."""

from __future__ import annotations

from saegeom_data.declare.output import Output

OUTPUTS = (
    Output("activation", ("features", "examples"), "activation", "activation on the token; NaN for none"),
    Output("token", ("features", "examples"), "index", "place of the token in the text; -1 for none", -1, "int64"),
    Output("document", ("features", "examples"), "index", "document of the token; -1 for none", -1, "int64"),
    Output("position", ("features", "examples"), "index", "place of it in its sequence; -1 for none", -1, "int64"),
    Output(
        "type_of_example",
        ("features", "examples"),
        "1",
        "type of the document; empty for none",
        "",
        "str",
        label="type of example",
    ),
    Output(
        "context_token_id",
        ("features", "examples", "places"),
        "index",
        "vocabulary index of the tokens around it, itself in the middle; -1 beyond its sequence",
        -1,
        "int32",
        label="context token id",
    ),
    Output(
        "text_before",
        ("features", "examples"),
        "1",
        "text before the token; empty without a vocabulary",
        "",
        "str",
        label="text before",
    ),
    Output("text", ("features", "examples"), "1", "text of the token; empty without a vocabulary", "", "str"),
    Output(
        "text_after",
        ("features", "examples"),
        "1",
        "text after the token; empty without a vocabulary",
        "",
        "str",
        label="text after",
    ),
)


BY_NAME = {output.name: output for output in OUTPUTS}
