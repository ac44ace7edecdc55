from hypothesis import given
from hypothesis import strategies as st

from deploy.values.images import Content, Layer, Stock, to_pull

BASE, JAVA, LIBS, CODE = (
    Layer(diff_id=name, size=size) for name, size in (("a", 30), ("b", 100), ("c", 20), ("d", 1))
)
APP = Content(image="app", layers=(BASE, JAVA, LIBS, CODE))

layers = st.lists(
    st.builds(Layer, diff_id=st.sampled_from("abcdef"), size=st.integers(0, 1000)), max_size=5
).map(tuple)
contents = st.lists(st.builds(Content, image=st.just("i"), layers=layers), max_size=3)
stocks = st.lists(st.lists(st.sampled_from("abcdef"), max_size=5).map(tuple), max_size=4).map(
    lambda chains: Stock(chains=tuple(chains))
)


AMD, ARM = "linux/amd64", "linux/arm64"


def sizes(*chains: str, of: tuple[Content, ...] = (APP,)) -> tuple[int, int]:
    fetched = to_pull(of, Stock(chains=tuple(tuple(chain) for chain in chains)), AMD)
    return fetched.size, fetched.layers


def test_an_engine_without_images_fetches_all() -> None:
    assert sizes() == (151, 4)


def test_what_an_earlier_release_brought_is_there() -> None:
    assert sizes("abce") == (1, 1)
    assert sizes("abcd") == (0, 0)
    assert sizes("xy", "abz", "a") == (21, 2)


def test_a_layer_above_other_layers_does_not_count() -> None:
    """Docker knows a layer by all that is below it."""
    assert sizes("bcd") == (151, 4)
    assert sizes("axcd") == (121, 3)


def test_what_the_image_before_brings_is_not_fetched_twice() -> None:
    proxy = Content(image="proxy", layers=(BASE, Layer(diff_id="n", size=5)))
    assert sizes(of=(APP, proxy)) == (156, 5)


def test_a_host_fetches_what_is_for_its_platform() -> None:
    arm = Content(image="app", layers=(Layer(diff_id="z", size=7),), platform=ARM)
    amd = Content(image="app", layers=(BASE,), platform=AMD)
    every = Content(image="all", layers=(Layer(diff_id="y", size=1),))
    assert to_pull([arm, amd, every], Stock(), ARM).size == 8
    assert to_pull([arm, amd, every], Stock(), AMD).size == 31
    assert to_pull([arm], Stock(), AMD).whole_layers == 0


@given(contents, stocks)
def test_never_more_than_the_whole_and_nothing_the_second_time(some: list[Content], stock: Stock) -> None:
    first = to_pull(some, stock, AMD)
    assert 0 <= first.size <= first.whole_size
    assert 0 <= first.layers <= first.whole_layers
    pulled = tuple(tuple(layer.diff_id for layer in content.layers) for content in some)
    assert to_pull(some, Stock(chains=stock.chains + pulled), AMD).size == 0


@given(contents, stocks, stocks)
def test_more_images_on_the_host_never_mean_more_to_fetch(
    some: list[Content], stock: Stock, more: Stock
) -> None:
    both = Stock(chains=stock.chains + more.chains)
    assert to_pull(some, both, AMD).size <= to_pull(some, stock, AMD).size
