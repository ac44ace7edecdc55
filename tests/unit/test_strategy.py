from dataclasses import replace

import pytest

from deploy.rollout.found import Found, find
from deploy.rollout.strategy import CHANNELS, choose
from deploy.values.release import ContainerSpec, Release
from tests.support.fleet import a_container, a_proxy, a_release, host_facts

MIB = 2**20


def release(memory: int | None) -> Release:
    return a_release(spec=ContainerSpec(environment={}, port=8080, memory=memory))


def serving() -> Found:
    return find(host_facts(a_container(a_release()), a_proxy()), app="hello", profile="dev", sends_to="")


def test_a_1_gb_host_with_700m_is_recreated_a_larger_one_is_not() -> None:
    small = host_facts(memory_total=1024 * MIB, memory_available=500 * MIB)
    large = host_facts(memory_total=4096 * MIB, memory_available=3000 * MIB)
    assert choose("auto", release(700 * MIB), small, serving()).strategy == "recreate"
    assert choose("auto", release(700 * MIB), large, serving()).strategy == "start-first"


def test_the_figures_are_told() -> None:
    small = host_facts(memory_total=1024 * MIB, memory_available=500 * MIB)
    assert choose("auto", release(700 * MIB), small, serving()).why == (
        "two at once may take 1469m, the host has 1024m"
    )


def test_memory_that_others_use_counts() -> None:
    busy = host_facts(memory_total=4096 * MIB, memory_available=300 * MIB)
    way = choose("auto", release(700 * MIB), busy, serving())
    assert (way.strategy, way.why) == ("recreate", "the new one may take 769m, 300m are available")


@pytest.mark.parametrize("short", [0, 1])
def test_the_tool_itself_counts_to_the_byte(short: int) -> None:
    total = 2 * 300 * MIB + CHANNELS - short
    facts = host_facts(memory_total=total, memory_available=total)
    expected = "recreate" if short else "start-first"
    assert choose("auto", release(300 * MIB), facts, serving()).strategy == expected


def test_without_an_old_one_there_is_nothing_to_be_beside() -> None:
    nothing = find(host_facts(), app="hello", profile="dev", sends_to="")
    small = host_facts(memory_total=700 * MIB, memory_available=100 * MIB)
    assert choose("auto", release(700 * MIB), small, nothing).strategy == "start-first"


def test_what_is_asked_for_is_done() -> None:
    large = host_facts(memory_total=8192 * MIB, memory_available=8000 * MIB)
    assert choose("recreate", release(None), large, serving()).strategy == "recreate"
    assert choose("start-first", release(None), large, serving()).strategy == "start-first"


def test_what_the_old_one_may_take_is_its_own_limit_when_that_is_known() -> None:
    here = host_facts(memory_total=1024 * MIB, memory_available=900 * MIB)
    old = replace(a_container(a_release()), inspected=True, memory=600 * MIB)
    found = find(host_facts(old, a_proxy()), app="hello", profile="dev", sends_to="")
    assert choose("auto", release(300 * MIB), here, serving()).strategy == "start-first"
    way = choose("auto", release(300 * MIB), here, replace(found, serving=replace(old, memory=700 * MIB)))
    assert (way.strategy, way.why) == ("recreate", "two at once may take 1069m, the host has 1024m")
    assert choose("auto", release(300 * MIB), here, found).strategy == "start-first"
