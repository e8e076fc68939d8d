"""Our own tasks are found by their folder: a new task is one new file."""

import subprocess
import sys

import pytest

from bbo import catalogue, registry
from bbo.errors import BBOError

TASK = """
from bbo.space import Sequence
from bbo.task import TableTask, TaskSpec

class Base(TableTask):
    '''No spec: no task.'''

    def table(self):
        raise NotImplementedError

class {name}(Base):
    '''A new task.'''

    spec = TaskSpec(
        id="{id}", version="1", title="new", space=Sequence((2, 2)), visible_rows=2, best_visible=0.0, y_min=0.0, y_max=1.0,
        oracle="exact", hidden="half", source="made up", licence="MIT",
    )
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A second place in which the package looks for modules."""
    import bbo.tasks

    monkeypatch.setattr(bbo.tasks, "__path__", [*bbo.tasks.__path__, str(tmp_path)])
    caches = (registry.modules, registry.own_tasks)
    for cached in caches:
        cached.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    for cached in caches:
        cached.cache_clear()
    for module in [name for name in sys.modules if name.startswith("bbo.tasks.brand_new")]:
        del sys.modules[module]


def test_a_new_file_is_a_new_task(folder):
    before = set(registry.own_tasks())
    registry.own_tasks.cache_clear()
    (folder / "brand_new.py").write_text(TASK.format(name="New", id="brand-new"))
    assert set(registry.own_tasks()) - before == {"brand-new"}
    registry.modules.cache_clear()
    assert catalogue.load_task("brand-new").spec.title == "new"
    assert "bbo.tasks.brand_new" in catalogue.task_modules(), "the harness hides the modules of tasks from methods"


def test_two_tasks_of_one_id_are_refused(folder):
    (folder / "brand_new_1.py").write_text(TASK.format(name="One", id="brand-new"))
    (folder / "brand_new_2.py").write_text(TASK.format(name="Two", id="brand-new"))
    with pytest.raises(ValueError, match=r"(One and Two|Two and One) both have the id brand-new"):
        registry.own_tasks()


def test_families_and_members_are_found():
    assert {"tfbind8", "tfbind10", "tfbind10-clean", "hpo-naval", "branin", "gfp"} <= set(catalogue.task_ids())
    assert all(cls().spec.id == name for name, cls in registry.own_tasks().items())
    assert "bbo.tasks.parts.convolution" in catalogue.task_modules()


def test_a_variant_of_a_task_without_variants_is_one_clear_error():
    with pytest.raises(BBOError, match="task hpo-naval has no variants; got 'hpo-naval:foo'"):
        catalogue.load_task("hpo-naval:foo")


def test_listing_our_tasks_imports_no_torch():
    code = "import sys; from bbo import registry; registry.own_tasks(); assert 'torch' not in sys.modules; assert 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
