from itertools import islice

from deploy.sandbox.ports import RANGE, free_ports


def test_taken_and_busy_ports_are_passed_over() -> None:
    first, second, third = islice(free_ports("seed", (), lambda port: True), 3)
    assert list(islice(free_ports("seed", [first], lambda port: port != second), 1)) == [third]
    assert {first, second, third} <= set(RANGE)


def test_sandboxes_begin_at_different_places() -> None:
    begins = {next(free_ports(f"{number:08x}", (), lambda port: True)) for number in range(50)}
    assert len(begins) > 40


def test_it_ends_when_every_port_is_busy() -> None:
    assert list(free_ports("seed", (), lambda port: False)) == []
