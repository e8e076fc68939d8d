"""Words of SELFIES tokens, and the objective that GuacaMol defines on molecules."""

import numpy as np
import pytest
from click.testing import CliRunner
from rdkit import Chem, DataStructs
from rdkit.Chem import rdMolDescriptors

from bbo.cli.design_files import read
from bbo.cli.show import command as show
from bbo.space import Sequence
from bbo.tasks.molecule import FEXOFENADINE, LENGTH, TOKENS, MoleculeMPO, molecule, properties


def word(*tokens: str) -> np.ndarray:
    return np.array([TOKENS.index(token) for token in tokens] + [0] * (LENGTH - len(tokens)))


def test_words_spell_molecules():
    assert Chem.MolToSmiles(molecule(word("[C]", "[C]", "[=O]"))) == "CC=O"
    assert Chem.MolToSmiles(molecule(word("[nop]", "[C]", "[nop]", "[O]"))) == "CO"
    benzene = ("[C]", "[=C]", "[C]", "[=C]", "[C]", "[=C]", "[Ring1]", "[=Branch1]")
    assert Chem.MolToSmiles(molecule(word(*benzene))) == "c1ccccc1"


def test_the_target_is_like_itself_but_too_fatty():
    similarity, polar, fat = properties(Chem.MolFromSmiles(FEXOFENADINE))
    assert similarity == 1.0
    assert polar == pytest.approx(80.98, abs=0.3)  # as chemical databases give it: 81 square angstroms
    assert fat > 4


def test_the_similarity_is_guacamols():
    """By RDKit's older function, as GuacaMol calls it (`guacamol/utils/fingerprints.py`): pairs of atoms at most ten bonds apart."""
    target = rdMolDescriptors.GetAtomPairFingerprint(Chem.MolFromSmiles(FEXOFENADINE), maxLength=10)
    visible = MoleculeMPO().visible()
    for design in visible.x[np.argsort(visible.y)[-40:]]:
        found = molecule(design)
        wanted = DataStructs.TanimotoSimilarity(rdMolDescriptors.GetAtomPairFingerprint(found, maxLength=10), target)
        assert properties(found)[0] == pytest.approx(wanted, abs=1e-12)


def test_the_score_is_the_geometric_mean():
    task = MoleculeMPO()
    design = word("[C]", "[C]", "[C]", "[O]")
    similarity, polar, fat = properties(molecule(design))
    assert fat < 4
    expected = (similarity / 0.8 * np.exp(-(((90 - polar) / 10) ** 2) / 2)) ** (1 / 3)
    assert task.simulate(design) == pytest.approx(expected)
    assert task.simulate(word()) == 0.0


def test_designs_are_shown_as_tokens_and_read_back(tmp_path):
    """The names are for display: shared work and cells stay those of a space without them."""
    space, x = MoleculeMPO.spec.space, MoleculeMPO().visible().x
    shown = CliRunner().invoke(show, ["molecule-mpo", "--design", "0"]).output
    assert " ".join(TOKENS[token] for token in x[0]) in " ".join(shown.split())
    assert repr(space) == repr(Sequence((18,) * LENGTH))
    (tmp_path / "designs.csv").write_text("\n".join(",".join(space.readable(design).split()) for design in x[:5]))
    np.testing.assert_array_equal(read(tmp_path / "designs.csv", space).x, x[:5])
