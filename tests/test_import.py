import subprocess
import sys
from pathlib import Path

import pytest

import deepstrf_hf


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; sys.stdout.write(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_imports_none_of_the_heavy_ones():
    heavy = {"torch", "datasets", "pyarrow", "numpy", "scipy", "pandas", "matplotlib", "huggingface_hub", "typer"}
    assert not heavy & modules_after("import deepstrf_hf")


def test_opening_a_grid_imports_neither_datasets_nor_pandas():
    loaded = modules_after("import deepstrf_hf.grid.load")
    assert "torch" in loaded
    assert not {"datasets", "pandas", "matplotlib", "scipy"} & loaded


def test_opening_a_corpus_does_not_import_pandas_either(ns1_built):
    assert not {"datasets", "pandas"} & modules_after(f"import deepstrf_hf; deepstrf_hf.load({str(ns1_built)!r})")


def test_building_does_not_import_torch():
    assert "torch" not in modules_after("import deepstrf_hf; deepstrf_hf.build; deepstrf_hf.load_builder('ns1')")


@pytest.mark.parametrize("name", deepstrf_hf.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(deepstrf_hf, name)
    if name != "__version__":
        assert value.__doc__
    assert name in dir(deepstrf_hf)


def test_a_name_that_does_not_exist():
    with pytest.raises(AttributeError, match="lode"):
        deepstrf_hf.lode  # noqa: B018


def test_without_torch_the_grid_says_what_to_install():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import deepstrf_hf\n"
        "try:\n    deepstrf_hf.load\n"
        "except deepstrf_hf.errors.MissingDependencyError as error:\n    sys.stdout.write(str(error))"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import deepstrf_hf.errors; " + code], capture_output=True, text=True, check=True
    )
    assert "pip install 'deepstrf-hf[torch]'" in done.stdout


def test_without_matplotlib_figures_say_what_to_install():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import deepstrf_hf, deepstrf_hf.errors\n"
        "try:\n    deepstrf_hf.inspect\n"
        "except deepstrf_hf.errors.MissingDependencyError as error:\n    sys.stdout.write(str(error))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'deepstrf-hf[plot]'" in done.stdout


def test_no_module_takes_the_place_of_a_function_of_its_name() -> None:
    """Importing a submodule binds it in the package; a function of the same name would be gone."""
    modules = {path.stem for path in Path(deepstrf_hf.__file__).parent.iterdir()}
    assert not modules & (set(deepstrf_hf.__all__) - {"errors"})
