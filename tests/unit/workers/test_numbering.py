"""Frames and pieces of output are counted apart."""

from workers.numbering import Numbering


def test_numbers_begin_at_one_and_indexes_where_earlier_output_ends() -> None:
    numbering = Numbering(5)
    assert [numbering.next(), numbering.next_index(), numbering.next(), numbering.next_index()] == [1, 5, 2, 6]
    assert (numbering.seq, numbering.chunks) == (2, 7)
