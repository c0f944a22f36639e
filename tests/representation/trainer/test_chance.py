"""Row order and noise: functions of (seed, stage, step), cut into shares without a seam."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from causalrep.representation.trainer import draw_rows
from causalrep.representation.trainer._chance import (
    BatchGenerator,
    RowOrder,
    Share,
    held_out_rows,
    split_batch,
)
from causalrep.utils import DataError


def generator(share, step=0):
    return BatchGenerator("cpu").key(share, 5, "stage", step)


@given(rows=st.integers(1, 30), size=st.integers(1, 40), epochs=st.integers(1, 3))
def test_each_epoch_holds_every_row_once(rows, size, epochs):
    order = RowOrder(torch.arange(rows) + 100, size, 0, "a")
    steps = -(-rows * epochs // size)
    stream = torch.cat([order.batch(step) for step in range(steps)])
    for epoch in range(epochs):
        assert sorted(stream[epoch * rows : (epoch + 1) * rows].tolist()) == list(range(100, 100 + rows))
    assert all(len(order.batch(step)) == size for step in range(steps))


def test_batch_does_not_depend_on_what_was_asked_before():
    forward = [RowOrder(torch.arange(10), 4, 0, "a").batch(step).tolist() for step in range(12)]
    order = RowOrder(torch.arange(10), 4, 0, "a")
    backward = [order.batch(step).tolist() for step in reversed(range(12))]
    assert forward == backward[::-1]


def test_epochs_stages_and_seeds_have_orders_of_their_own():
    rows = torch.arange(50)
    orders = [
        RowOrder(rows, 50, 0, "a").batch(0),
        RowOrder(rows, 50, 0, "a").batch(1),
        RowOrder(rows, 50, 0, "b").batch(0),
        RowOrder(rows, 50, 1, "a").batch(0),
    ]
    assert len({tuple(order.tolist()) for order in orders}) == 4


@given(total=st.integers(1, 50), data=st.data())
def test_shares_cover_the_batch_in_order_and_evenly(total, data):
    shares = split_batch(total, data.draw(st.integers(1, total)))
    assert [row for share in shares for row in range(share.start, share.stop)] == list(range(total))
    sizes = [share.stop - share.start for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_batch_smaller_than_its_parts_is_refused():
    with pytest.raises(DataError, match="2 rows cannot be split into 3"):
        split_batch(2, 3)


@given(total=st.integers(1, 20), data=st.data())
def test_noise_of_the_shares_is_the_noise_of_the_batch(total, data):
    parts = data.draw(st.integers(1, total))
    whole = generator(Share(0, total, total))
    first, second = (draw_rows(torch.randn, (total, 3), generator=whole) for _ in range(2))
    for share in split_batch(total, parts):
        own, shape = generator(share), (share.stop - share.start, 3)
        rows = slice(share.start, share.stop)
        assert torch.equal(draw_rows(torch.randn, shape, generator=own), first[rows])
        assert torch.equal(draw_rows(torch.randn, shape, generator=own), second[rows])


def test_plain_draws_differ_between_shares_and_steps():
    left, right = split_batch(8, 2)
    draws = [torch.randn(4, generator=g) for g in (generator(left), generator(right), generator(left, 1))]
    assert len({tuple(draw.tolist()) for draw in draws}) == 3
    assert torch.equal(draws[0], torch.randn(4, generator=generator(left)))


def test_draw_of_another_number_of_rows_is_refused():
    with pytest.raises(DataError, match="must be the 4 rows"):
        draw_rows(torch.randn, (8,), generator=generator(Share(0, 4, 8)))


def test_held_out_rows_are_apart_and_nested():
    train, few = held_out_rows(40, 0.1, 3)
    _, many = held_out_rows(40, 0.3, 3)
    assert (len(few), len(many)) == (4, 12)
    assert sorted([*train.tolist(), *few.tolist()]) == list(range(40))
    assert set(few.tolist()) < set(many.tolist())
    assert held_out_rows(40, 0.1, 4)[1].tolist() != few.tolist()
    assert len(held_out_rows(40, None, 3)[0]) == 40


def test_holding_out_everything_is_refused():
    with pytest.raises(DataError, match="none to train on"):
        held_out_rows(1, 0.5, 0)


@pytest.mark.parametrize(("block", "window"), [(2, 3), (5, 1), (7, 2), (100, 1)])
def test_blocks_are_shuffled_and_so_are_their_windows(block, window):
    rows = torch.tensor([row for row in range(40) if row % 6])  # some are held out
    order = RowOrder(rows, len(rows), 0, "a", blocks=(block, window))
    epochs = [order.batch(step).tolist() for step in range(4)]
    assert all(sorted(epoch) == rows.tolist() for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    for epoch in epochs:
        blocks = [row // block for row in epoch]
        # At any row, at most one window of blocks has begun and has not ended.
        first = {number: blocks.index(number) for number in blocks}
        last = {number: position for position, number in enumerate(blocks)}
        assert all(
            sum(first[number] <= position <= last[number] for number in first) <= window
            for position in range(len(epoch))
        )


def test_blocks_of_one_row_change_nothing():
    plain, blocks = (RowOrder(torch.arange(30), 7, 0, "a", blocks=b) for b in ((1, 1), (1, 9)))
    assert all(torch.equal(plain.batch(step), blocks.batch(step)) for step in range(9))
