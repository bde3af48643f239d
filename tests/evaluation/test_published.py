from __future__ import annotations

from unmixcli.evaluation.published import published_tables


def test_every_table_is_whole_and_says_what_it_is() -> None:
    tables = published_tables()
    assert len(tables) == 8
    for table in tables:
        assert all(len(row) == len(table.columns) for row in table.rows), table.number
        assert table.paper
        assert table.number
        assert table.protocol


def test_numbers_are_those_of_the_papers() -> None:
    cells = {
        (table.number, row[0], column): cell
        for table in published_tables()
        for row in table.rows
        for column, cell in zip(table.columns, row, strict=True)
    }
    assert cells["Table 4.3", "NSDR vocals", "U-Net"] == "11.094"
    assert cells["Table 5.1", "S→P→S→P", "OA"] == "0.817"
    assert cells["Table I", "UDA_large", "B percussive"] == "7.4"
    assert cells["Table 3", "drums", "mixture"] == "-6.05"
    assert cells["Table 1", "setting 2, PU-HPSS", "SAR"] == "6.00 / 11.57"
