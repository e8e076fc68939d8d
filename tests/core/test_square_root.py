"""In the mode `compatible`, torch's square root is the correctly rounded one, on every path that leads to it."""

import subprocess
import sys

import pytest

from bbo import numerics

CODE = """
import numpy, sys, torch
from bbo import numerics
numerics.complete()
torch.set_num_threads(1)
whole = torch.arange(1, 20001)
for dtype in (torch.float32, torch.float64):
    x = (whole * 7919 % 20011).to(dtype) / 20011
    right = torch.from_numpy(numpy.sqrt(x.numpy()))
    out, inside = torch.empty(0, dtype=dtype), x.clone()
    inside.sqrt_()
    torch.sqrt(x, out=out)
    leaf = x.clone().requires_grad_()
    leaf.sqrt().sum().backward()
    columns = x.view(-1, 8).T
    found = {
        "plain": x.sqrt(), "in place": inside, "out": out, "by vmap": torch.func.vmap(torch.sqrt)(x.view(-1, 4)).flatten(),
        "transposed": columns.sqrt().T.flatten(), "foreach": torch._foreach_sqrt([x])[0], "alone": torch.stack([n.sqrt() for n in x]),
    }
    for name, values in found.items():
        print(dtype, name, int((values != right).sum()))
    print(dtype, "gradient", int((leaf.grad != 0.5 / right).sum()))
assert torch.tensor([4, 9]).sqrt().tolist() == [2, 3] and torch.tensor([-1.0]).sqrt().isnan().all()
assert abs(torch.tensor([2j]).sqrt() - (1 + 1j)).item() < 1e-6 and torch.empty(0, 3).sqrt().shape == (0, 3)
assert torch.tensor([4.0, 9.0], dtype=torch.bfloat16).sqrt().tolist() == [2, 3]
print("installed:", "square_root" in str(sys.modules.get("bbo.square_root")))
"""


def said(mode):
    """What a process in a numerics mode prints, line by line."""
    environment = numerics.environment(mode, {"PATH": "/usr/bin:/bin"})
    done = subprocess.run([sys.executable, "-W", "error", "-c", CODE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.numerics
def test_every_root_is_the_nearest_number():
    *counts, installed = said("compatible")
    assert len(counts) == 16
    assert [line for line in counts if not line.endswith(" 0")] == []
    assert installed == "installed: True"


def test_other_modes_keep_torchs_own():
    assert said("portable")[-1] == "installed: False"
