import json

from saegeom_data.data import manifest_of
from saegeom_data.data.card import dataset_card
from saegeom_data.testing import simulate


def test_card_says_what_from_what_and_under_which_licence(sample):
    card = dataset_card(sample)
    for source in json.loads(sample.attrs["sources"]):
        assert f"| {source['name']} |" in card
        assert source["license"] in card
    assert sample.attrs["license"] in card
    assert f"| layer_3 | hidden_state_3 | {sample['saes/layer_3/features'].sizes['features']} |" in card
    assert '"width": 1536' in card


def test_card_of_a_dataset_that_says_little():
    card = dataset_card(simulate.simulate_store())
    assert card.startswith("# Simulated store\n\nLicence: CC0-1.0.")
    assert "## Sources" not in card
    assert "| layer_1 | hidden_state_1 | 200 | 8.0 |  |  |" in card


def test_bundled_card_is_that_of_the_bundled_store(sample):
    from saegeom_data import sample_path

    assert (sample_path() / "README.md").read_text(encoding="utf-8") == dataset_card(sample)
    assert "README.md" in manifest_of.read_manifest(sample_path())["files"]
