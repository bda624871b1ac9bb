import subprocess
import sys

import pytest

from hf_mlm.world.names import LOCALES, POOL_SIZE, name_pool


pytestmark = pytest.mark.real
pytest.importorskip("faker")


@pytest.mark.parametrize("language", LOCALES)
def test_pools_are_full_and_have_no_repeats(language):
    pool = name_pool(language)
    assert len(pool.first) >= 200 and len(pool.last) == POOL_SIZE and len(pool.suffixes) >= 5
    assert all(len(set(names)) == len(names) and all(name.strip() == name for name in names) for names in pool)


def test_names_are_those_of_the_language():
    assert "GmbH" in name_pool("de").suffixes and "Ltd" in name_pool("en").suffixes
    assert len({name_pool(language).last for language in LOCALES}) == len(LOCALES)


def test_the_same_in_another_process():
    code = "from hf_mlm.world.names import name_pool; print(name_pool('fr').last[::30])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == str(name_pool("fr").last[::30])


def test_a_missing_package_is_named_with_the_way_out(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'needs the package faker: pip install "hf-mlm\[demo\]"'):
        name_pool.__wrapped__("de")
