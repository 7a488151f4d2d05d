"""Word pairs of three relations, in the forms that their files may have."""

from __future__ import annotations

import json
from pathlib import Path

WORDS = {
    "capital": "France Paris Italy Rome Peru Lima Spain Madrid Egypt Cairo Japan Tokyo Cuba Havana Iraq Baghdad",
    "plural": "river rivers stone stones lamp lamps house houses tree trees road roads moon moons sea seas Rome romes",
    "german": "river Fluss stone Stein lamp Lampe house Haus tree Baum road Weg moon Mond sea See word Wort",
}
PAIRS = {name: list(zip(text.split()[::2], text.split()[1::2], strict=True)) for name, text in WORDS.items()}
PAIRS["capital"].insert(3, ("Andorra", "Andorra la Vella"))


def write_pairs(folder: Path) -> Path:
    """Write one relation as CSV, and two as Todd et al. publish theirs."""
    folder.mkdir(parents=True)
    for name, pairs in PAIRS.items():
        items = [{"input": source, "output": target} for source, target in pairs]
        (folder / f"{name}.json").write_text(json.dumps(items))
    (folder / "plural.json").unlink()
    (folder / "plural.csv").write_text("\n".join(["source,target", *(",".join(pair) for pair in PAIRS["plural"])]))
    return folder
