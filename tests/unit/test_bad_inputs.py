"""The rows of bad input, read in this process; tests/integration gives them to the tasks as processes."""

from pathlib import Path

import pytest

from deploy.profiles import load
from deploy.values.errors import InputError
from tests.support.bad_inputs import SECRET, TREES, Tree


@pytest.mark.parametrize(
    "tree", [pytest.param(tree, id=tree.id, marks=pytest.mark.input(tree.row)) for tree in TREES if tree.said]
)
def test_what_is_wrong_is_said_and_no_secret_with_it(tree: Tree, tmp_path: Path) -> None:
    tree.plant(tmp_path)

    with pytest.raises(InputError) as caught:
        load(tmp_path, tree.profile, tree.environ)

    lines = (caught.value.what, caught.value.why, *caught.value.details)
    assert [said for said in tree.said if not any(said in line for line in lines)] == []
    assert len(caught.value.details) <= len(tree.said)
    assert SECRET not in "".join(lines)


@pytest.mark.parametrize(
    "tree",
    [pytest.param(tree, id=tree.id, marks=pytest.mark.input(tree.row)) for tree in TREES if not tree.said],
)
def test_what_is_right_is_read(tree: Tree, tmp_path: Path) -> None:
    tree.plant(tmp_path)

    assert load(tmp_path, tree.profile, tree.environ).app_name == "hello"


@pytest.mark.input(14)
@pytest.mark.input(30)
def test_secrets_are_kept_byte_exact(tmp_path: Path) -> None:
    trees = {tree.name: tree for tree in TREES}

    for name in ("literal-in-quotes", "shell-in-secret"):
        trees[name].plant(tmp_path)
        secrets = load(tmp_path, "dev", {}).secrets
        assert [secret.get_secret_value() for secret in secrets.values()] == [trees[name].secret]


def test_every_row_has_a_tree() -> None:
    assert {tree.row for tree in TREES} == set(range(1, 39))
    assert len({tree.name for tree in TREES}) == len(TREES)
