"""The same on every host at once: all are waited for, and one error speaks for all."""

import threading

import pytest

from deploy.hosts.fleet import on_each
from deploy.values.errors import HostError


def test_results_come_in_the_items_order() -> None:
    together = threading.Barrier(3)

    def work(number: int) -> int:
        together.wait(5)
        return number * 2

    assert on_each([3, 1, 2], work) == [6, 2, 4]


def test_nothing_to_do_is_nothing_done() -> None:
    assert on_each([], lambda item: item) == []


def test_the_first_failure_names_the_others() -> None:
    done = []

    def work(name: str) -> None:
        done.append(name)
        if name != "web2":
            raise HostError("It is down.", why="No answer.", host=name)

    with pytest.raises(HostError) as caught:
        on_each(["web1", "web2", "web3"], work)

    assert caught.value.host == "web1"
    assert caught.value.details == ("web3: It is down. No answer.",)
    assert sorted(done) == ["web1", "web2", "web3"]


def test_a_defect_is_not_hidden_behind_a_failure() -> None:
    def work(name: str) -> None:
        raise (ZeroDivisionError if name == "b" else HostError)("x")

    with pytest.raises(ZeroDivisionError):
        on_each(["a", "b"], work)
