"""Order in which cells are shown to a reviewer."""

from edge_all.domain.reading_order import MOST_SUSPICIOUS, position, worth_a_look

CELLS = {
    "artifact": ("artifact", "artifact", 0.99),
    "smudge": ("smudge", "smudge", None),
    "erythroblast": ("erythroblast", "erythroblast", 0.30),
    "calm lymphocyte": ("normal", "lymphocyte", 0.002),
    "calm immature granulocyte": ("normal", "immature_granulocyte", 0.001),
    "suspicious lymphocyte": ("normal", "lymphocyte", 0.12),
    "unidentified": ("unidentified", "", 0.30),
    "suspicious unidentified": ("unidentified", "", 0.55),
    "blast": ("blast", "blast", 0.80),
    "clear blast": ("blast", "blast", 0.97),
    "in doubt": ("normal", "", 0.004),
}


def place(name):
    return position(*CELLS[name], list(CELLS).index(name))


def test_findings_come_first_then_other_leukocytes_and_artifacts_last():
    assert sorted(CELLS, key=place) == [
        "clear blast",
        "blast",
        "suspicious unidentified",
        "unidentified",
        "suspicious lymphocyte",
        "calm immature granulocyte",  # before other cells that a caption shows with the same 0.00
        "in doubt",
        "calm lymphocyte",
        "erythroblast",
        "smudge",
        "artifact",
    ]


def test_cells_of_a_model_without_kinds_are_in_the_order_of_their_probability():
    cells = [("normal", "", p, n) for n, p in enumerate((0.101, 0.104, 0.1, 0.104, 0.0))]
    assert [n for *_, n in sorted(cells, key=lambda cell: position(*cell))] == [1, 3, 0, 2, 4]


def test_a_healthy_smear_shows_its_most_suspicious_leukocytes():
    healthy = [n for n in CELLS if CELLS[n][0] not in ("blast", "unidentified")]
    assert worth_a_look(healthy, place) == [
        "suspicious lymphocyte", "calm immature granulocyte", "in doubt", "calm lymphocyte",
    ]  # fmt: skip
    many = [("normal", "lymphocyte", n / 1000, n) for n in range(100)]
    assert [n for *_, n in worth_a_look(many, lambda cell: position(*cell))] == [99, 98, 97, 96, 95]


def test_all_findings_are_shown_and_filled_up_where_they_are_few():
    assert worth_a_look(CELLS, place) == [
        "clear blast", "blast", "suspicious unidentified", "unidentified", "suspicious lymphocyte",
    ]  # fmt: skip
    blasts = [("blast", "blast", 0.9, n) for n in range(2 * MOST_SUSPICIOUS)]
    assert len(worth_a_look([*blasts, ("normal", "", 0.4, 99)], lambda cell: position(*cell))) == len(blasts)
