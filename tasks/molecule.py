"""Molecule-MPO: 40 SELFIES tokens that spell a molecule like fexofenadine, but more polar and less fatty.

The multi-property objective `fexofenadine_mpo` of GuacaMol (Brown et al. 2019, "GuacaMol: Benchmarking Models for De Novo Molecular
Design"), by RDKit: the geometric mean of three numbers in [0, 1],

- the Tanimoto similarity of atom pairs, at most ten bonds apart, to fexofenadine, divided by 0.8 and at most 1,
- exp(-((90 - a) / 10)^2 / 2) where the polar surface a is below 90 square angstroms, else 1,
- exp(-(l - 4)^2 / 2) where the logarithm l of the octanol-water partition coefficient is above 4, else 1.

A design is a word of 40 tokens. Every word is a molecule, since SELFIES (Krenn et al. 2020) skips what does not fit; `[nop]` stands
for nothing. The pool is 19623 words, uniform ones and the paths of ten genetic algorithms, without most of those that score next to
nothing (tools/build_molecule.py). Visible are its lowest 60 %.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from bbo import data
from bbo.simulation import SimulatedTask
from bbo.space import Sequence
from bbo.task import Dataset, TaskSpec

FILE = "molecule_mpo.npz"
LENGTH = 40
TOKENS = (
    "[nop]", "[C]", "[=C]", "[#C]", "[N]", "[=N]", "[#N]", "[O]", "[=O]", "[S]", "[F]", "[Cl]", "[Branch1]", "[=Branch1]",
    "[Branch2]", "[Ring1]", "[Ring2]", "[=Ring1]",
)  # fmt: skip
FEXOFENADINE = "CC(C)(C(=O)O)c1ccc(cc1)C(O)CCCN2CCC(CC2)C(O)(c3ccccc3)c4ccccc4"


def molecule(design: np.ndarray) -> Any:
    """The RDKit molecule of a design (40,)."""
    import selfies
    from rdkit import Chem

    return Chem.MolFromSmiles(selfies.decoder("".join(TOKENS[token] for token in design)))


@cache
def _pairs() -> tuple[Any, Any]:
    """The generator of atom-pair fingerprints, and fexofenadine's."""
    from rdkit import Chem
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetAtomPairGenerator(maxDistance=10)  # as GuacaMol has it
    return generator, generator.GetSparseCountFingerprint(Chem.MolFromSmiles(FEXOFENADINE))


def properties(found: Any) -> tuple[float, float, float]:
    """Similarity to fexofenadine in [0, 1], polar surface in square angstroms, logP of a molecule."""
    from rdkit import DataStructs
    from rdkit.Chem import rdMolDescriptors

    generator, wanted = _pairs()
    similarity = DataStructs.TanimotoSimilarity(generator.GetSparseCountFingerprint(found), wanted)
    return similarity, rdMolDescriptors.CalcTPSA(found), rdMolDescriptors.CalcCrippenDescriptors(found)[0]


class MoleculeMPO(SimulatedTask):
    """GuacaMol's fexofenadine objective over words of 40 SELFIES tokens."""

    #: Stored scores are rounded to float32.
    tolerance = 1e-6
    spec = TaskSpec(
        id="molecule-mpo",
        version="2",
        title="a molecule like fexofenadine, of 40 SELFIES tokens (GuacaMol)",
        space=Sequence((len(TOKENS),) * LENGTH, names=(TOKENS,) * LENGTH),
        visible_rows=11_774,
        best_visible=0.2595382332801819,
        y_min=0.0,
        y_max=1.0,
        oracle="exact",
        hidden="the upper 40 % of a pool of 19623 words (uniform, and paths of genetic algorithms)",
        source="GuacaMol fexofenadine_mpo by RDKit 2026.9.1 and selfies 2.2.0; pool from tools/build_molecule.py",
        licence="MIT (GuacaMol; this project), BSD-3-Clause (RDKit), Apache-2.0 (selfies)",
        requires=("rdkit", "selfies"),
        extra="molecules",
        engines=("rdkit==2026.9.1", "selfies==2.2.0"),
        seconds=0.05,
        note="y_max = 1 is an upper bound; 40 tokens are too few to spell fexofenadine itself",
        family="materials",
    )

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return (data.Source((FILE,), "MIT (this project)", "tools/build_molecule.py"),)

    def dataset(self) -> Dataset:
        return Dataset.stored(FILE, self.spec.space)

    def simulate(self, design: np.ndarray) -> float:
        similarity, polar, fat = properties(molecule(design))
        parts = (
            min(similarity / 0.8, 1.0),
            np.exp(-0.5 * max(90.0 - polar, 0.0) ** 2 / 100.0),
            np.exp(-0.5 * max(fat - 4.0, 0.0) ** 2),
        )
        return float(np.prod(parts) ** (1 / 3))

    def draw(self, design: np.ndarray, figure: Any) -> None:
        import io

        from matplotlib.image import imread
        from rdkit.Chem.Draw import rdMolDraw2D

        found = molecule(design)
        canvas = rdMolDraw2D.MolDraw2DCairo(1000, 600)
        canvas.DrawMolecule(found)
        canvas.FinishDrawing()
        similarity, polar, fat = properties(found)
        axes = figure.subplots()
        axes.imshow(imread(io.BytesIO(canvas.GetDrawingText())))
        axes.set_title(f"similarity {similarity:.2f}, polar surface {polar:.0f} Å², logP {fat:.1f}")
        axes.axis("off")
