"""The results of checks by column are those of the single samples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fullconv.data.checks.check_table import CheckTable
from fullconv.data.checks.sample_findings import SampleCheck
from fullconv.errors import Finding

COUNTS = st.none() | arrays(np.int64, 5, elements=st.integers(0, 2**50) | st.just(0))
FINDINGS = st.lists(st.builds(Finding, *[st.text(max_size=3)] * 4), max_size=2)
CHECKS = st.lists(
    st.builds(SampleCheck, COUNTS, COUNTS, st.none() | st.binary(min_size=16, max_size=16),
              FINDINGS), max_size=6)  # fmt: skip


def plain(check: SampleCheck) -> tuple:
    counts = (None if c is None else c.tolist() for c in (check.counts, check.ignored))
    return *counts, check.digest, check.findings


def assert_same(table: CheckTable, checks) -> None:
    assert len(table) == len(checks)
    assert list(map(plain, table)) == list(map(plain, checks))
    listed = [finding for of in table.findings.values() for finding in of]
    assert listed == [finding for check in checks for finding in check.findings]
    for total, rows in (
        (table.counts.total(), [check.counts for check in checks]),
        (table.ignored.total(), [check.ignored for check in checks]),
    ):
        there = [row for row in rows if row is not None]
        assert (total is None) == (not there)
        assert total is None or total.tolist() == np.sum(there, 0).tolist()
    digests = [check.digest for check in checks if check.digest]
    assert list(table.first_by_digest()) == list(dict.fromkeys(digests))
    for digest, row in table.first_by_digest().items():
        assert row == [check.digest for check in checks].index(digest)


@settings(max_examples=30)
@given(CHECKS, CHECKS, st.randoms(use_true_random=False))
def test_a_table_is_as_the_list(checks, more, random) -> None:
    table = CheckTable.of(checks)
    assert_same(table, checks)
    assert_same(table.with_more(CheckTable.of(more)), checks + more)
    rows = random.choices(range(len(checks)), k=4) if checks else []
    assert_same(table.chosen(np.array(rows, np.int64)), [checks[row] for row in rows])
    stored = CheckTable.read(table.arrays(), len(checks))
    assert stored is not None
    assert_same(stored, checks)


FULL = [
    SampleCheck(np.array([3, 0, 4]), None, b"0123456789abcdef", [Finding("a", "b", "c", "d")]),
    SampleCheck(),
]


@pytest.mark.parametrize("name", CheckTable.of(FULL).arrays())
def test_a_store_that_is_damaged_anywhere_is_left_aside(name: str) -> None:
    arrays_of = CheckTable.of(FULL).arrays()
    assert CheckTable.read({k: v for k, v in arrays_of.items() if k != name}, 2) is None
    assert CheckTable.read(arrays_of, 3) is None
    for junk in (np.zeros(0), np.full(2, -1), np.full(2, 2**40), np.array(["x"] * 2)):
        table = CheckTable.read({**arrays_of, name: junk}, 2)
        if table is not None:  # numbers that could be right
            list(table), table.counts.total(), table.first_by_digest()
