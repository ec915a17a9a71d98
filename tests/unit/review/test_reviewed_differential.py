"""The differential before and after review, and the agreement of reviewers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_all.domain.picture_limits import TOO_COARSE, TOO_COARSE_TO_FIND, OutsideLimits
from edge_all.domain.types import Counts
from edge_all.i18n.catalog import text
from edge_all.record.events.verdicts import Verdict, standing
from edge_all.reports.cautions import cautions
from edge_all.review.agreement import agreements, cohens_kappa
from edge_all.review.differential import Differential, differential
from edge_all.review.model_agreement import model_agreement
from edge_all.review.reviewed_differential import reviewed_differential


def verdict(number, cell, label, reviewer="Ada", kind=None, reverts_id=None):
    return Verdict(number, "s", cell, reviewer, False, label, kind, float(number), reverts_id)


def cells(**counts):
    labels = [label for label, count in counts.items() for _ in range(count)]
    return dict(enumerate(labels, 1))


def test_counts_percentages_and_intervals():
    d = differential(cells(blast=10, normal=180, unidentified=10, smudge=30))
    blast = d.share("blast")
    assert (d.leukocytes, blast.count, blast.percent) == (200, 10, 5.0)
    assert (blast.low, blast.high) == pytest.approx((2.74, 8.96), abs=0.02)
    assert (d.count("smudge"), d.per_100("smudge")) == (30, 15.0)
    assert cautions(d) == ()


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (cells(normal=200), ["No blasts among 200 leukocytes still allows up to 1.9 %"]),
        (cells(blast=5, normal=60), ["Only 65 leukocytes"]),
        (cells(normal=30), ["Only 30 leukocytes", "still allows up to 11.4 %"]),
        ({}, ["Only 0 leukocytes", "up to 100.0 %"]),
    ],
)
def test_few_cells_are_warned_of(labels, says):
    told = cautions(differential(labels))
    assert len(told) == len(says)
    for caution, said in zip(told, says, strict=True):
        assert said in caution


def test_pictures_outside_the_limits_are_warned_of_first():
    outside = (OutsideLimits(TOO_COARSE, 0.453, 0.3, 40), OutsideLimits(TOO_COARSE_TO_FIND, 0.453, 0.4))
    told = cautions(differential(cells(unidentified=40)), outside)
    assert told[0].startswith("The picture is too coarse to label cells: 0.45 um per px, and the classifier is proven")
    assert "Cells not labeled for this reason: 40." in told[0]
    assert "the detector is proven up to 0.40" in told[1]
    assert told[2].startswith("Only 40 leukocytes")
    assert len(told) == 3  # cells without a label do not show that there are no blasts


def test_a_verdict_counts_and_the_models_label_stays():
    rows = cells(blast=2, normal=3, unidentified=1, smudge=1)
    given_ = [
        verdict(1, 1, "normal", kind="lymphocyte"),
        verdict(2, 6, "blast"),
        verdict(3, 2, "artifact"),
        verdict(4, 7, "normal", kind="monocyte"),
    ]
    d = reviewed_differential(rows, given_)
    assert [d.before.share(n).count for n in ("blast", "normal", "unidentified")] == [2, 3, 1]
    assert [d.after.share(n).count for n in ("blast", "normal", "unidentified")] == [1, 5, 0]
    assert (d.after.leukocytes, d.after.count("artifact"), d.after.count("smudge")) == (6, 1, 0)
    assert (d.after.kinds, d.after.kind_not_named("normal")) == ({"lymphocyte": 1, "monocyte": 1}, 3)
    assert d.after.kind("monocyte").percent == pytest.approx(100 / 6)
    assert d.before.kinds == {}
    assert (d.reviewed, d.changed, d.findings_open) == (4, 4, 0)


KINDS_OF_A_SMEAR = {1: "neutrophil", 2: "neutrophil", 3: "lymphocyte", 4: "", 5: "blast", 6: "", 7: "erythroblast"}
LABELS_OF_A_SMEAR = {
    **dict.fromkeys((1, 2, 3, 4), "normal"),
    5: "blast",
    6: "unidentified",
    7: "erythroblast",
    8: "smudge",
    9: "artifact",
}


def test_the_differential_by_kind_has_the_lines_of_a_technologist():
    d = differential(LABELS_OF_A_SMEAR, kinds=KINDS_OF_A_SMEAR)
    assert [(line.key, line.share.count) for line in d.lines] == [
        ("neutrophil", 2),
        ("lymphocyte", 1),
        ("monocyte", 0),
        ("eosinophil", 0),
        ("basophil", 0),
        ("immature_granulocyte", 0),
        ("kind_in_doubt", 1),
        ("blast", 1),
        ("unidentified", 1),
    ]
    assert sum(line.share.count for line in d.lines) == d.leukocytes == 6
    assert {line.share.total for line in d.lines} == {6}
    assert [text(line.words) for line in d.lines[:1] + d.lines[6:]] == [
        "Neutrophils", "Normal, kind in doubt", "Blasts", "Unidentified",
    ]  # fmt: skip
    assert (d.lines[0].share.low, d.lines[0].share.high) == (d.kind("neutrophil").low, d.kind("neutrophil").high)
    assert d.per_100("erythroblast") == pytest.approx(100 / 6)
    certain = differential({1: "normal"}, kinds={1: "basophil"})
    assert "kind_in_doubt" not in [line.key for line in certain.lines], "no line without cells"


def test_a_differential_without_kinds_has_the_lines_of_its_labels():
    d = differential(LABELS_OF_A_SMEAR)
    assert [(line.key, line.share.count) for line in d.lines] == [("blast", 1), ("normal", 4), ("unidentified", 1)]
    assert not d.by_kind
    one = differential(LABELS_OF_A_SMEAR, {1: verdict(1, 1, "normal", kind="monocyte")})
    assert [(line.key, line.share.count, line.is_part) for line in one.lines] == [
        ("blast", 1, False),
        ("normal", 4, False),
        ("monocyte", 1, True),
        ("kind_in_doubt", 3, True),
        ("unidentified", 1, False),
    ]


def test_the_differential_of_counts_is_that_of_the_cells():
    counts = Counts(
        by_label={label: list(LABELS_OF_A_SMEAR.values()).count(label) for label in set(LABELS_OF_A_SMEAR.values())},
        by_kind={"neutrophil": 2, "lymphocyte": 1},
    )
    assert Differential.of_counts(counts).lines == differential(LABELS_OF_A_SMEAR, kinds=KINDS_OF_A_SMEAR).lines
    assert not Differential.of_counts(Counts(by_label={"normal": 3})).by_kind


def test_a_verdict_replaces_the_models_kind_unless_it_confirms_the_label():
    verdicts = {
        1: verdict(1, 1, "normal"),
        2: verdict(2, 2, "normal", kind="other"),
        3: verdict(3, 3, "blast"),
        5: verdict(4, 5, "normal"),
        9: verdict(5, 9, "normal", kind="monocyte"),
    }
    d = differential(LABELS_OF_A_SMEAR, verdicts, KINDS_OF_A_SMEAR)
    assert dict(d.kinds) == {"neutrophil": 1, "other": 1, "monocyte": 1}
    assert {line.key: line.share.count for line in d.lines if line.share.count} == {
        "neutrophil": 1,
        "monocyte": 1,
        "other": 1,
        "kind_in_doubt": 2,
        "blast": 1,
        "unidentified": 1,
    }


def test_findings_without_a_verdict_are_reported():
    rows = cells(blast=2, unidentified=1, normal=1)
    given_ = [verdict(1, 1, "blast")]
    assert reviewed_differential(rows, given_).findings_open == 2


def test_an_undone_verdict_does_not_count_and_a_redone_one_does():
    rows = [verdict(1, 1, "blast"), verdict(2, 1, "normal"), verdict(3, 1, None, reverts_id=2)]
    assert [v.id for v in standing(rows)] == [1]
    assert [v.id for v in standing([*rows, verdict(4, 1, None, reverts_id=3)])] == [1, 2]


def test_two_reviewers_are_both_kept_and_their_agreement_is_cohens_kappa():
    # 20 and 15 alike, 5 and 10 not: the textbook's 0.4.
    pairs = [("b", "b")] * 20 + [("b", "n")] * 5 + [("n", "b")] * 10 + [("n", "n")] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)
    names = {"b": "blast", "n": "normal"}
    rows = []
    for i, (a, b) in enumerate(pairs):
        rows += [verdict(2 * i, i, names[a], "Ada"), verdict(2 * i + 1, i, names[b], "Ben")]
    rows.append(verdict(1000, 999, "blast", "Ada"))
    (found,) = agreements(rows)
    assert (found.first.name, found.second.name, found.cells, found.same) == ("Ada", "Ben", 50, 35)
    assert found.kappa == pytest.approx(0.4)


def test_a_reviewer_who_changed_their_mind_has_one_verdict_for_each_cell():
    rows = [verdict(1, 1, "blast", "Ada"), verdict(2, 1, "normal", "Ben"), verdict(3, 1, "normal", "Ada")]
    (found,) = agreements(rows)
    assert (found.cells, found.same) == (1, 1)
    assert found.kappa is None, "one label only: chance explains all"


def test_two_reviewers_agree_on_kinds_where_both_named_one():
    rows = [
        verdict(1, 1, "normal", "Ada", "monocyte"),
        verdict(2, 1, "normal", "Ben", "monocyte"),
        verdict(3, 2, "normal", "Ada", "lymphocyte"),
        verdict(4, 2, "normal", "Ben", "monocyte"),
        verdict(5, 3, "normal", "Ada", "lymphocyte"),
        verdict(6, 3, "normal", "Ben"),
        verdict(7, 4, "blast", "Ada"),
        verdict(8, 4, "normal", "Ben", "monocyte"),
    ]
    (found,) = agreements(rows)
    assert (found.cells, found.same) == (4, 3)
    assert (found.kinds.cells, found.kinds.same, found.kinds.kappa) == (2, 1, 0.0)
    (labels_only,) = agreements(rows[4:6])
    assert labels_only.kinds is None


def test_the_models_kinds_are_compared_with_those_of_the_verdicts():
    kinds = {1: "neutrophil", 2: "neutrophil", 3: "lymphocyte", 4: "", 5: "blast", 6: "", 7: "neutrophil", 10: ""}
    labels = {**LABELS_OF_A_SMEAR, 7: "normal", 10: "normal"}
    verdicts = {
        1: verdict(1, 1, "normal", kind="neutrophil"),
        2: verdict(2, 2, "normal", kind="monocyte"),
        3: verdict(3, 3, "blast"),
        4: verdict(4, 4, "normal", kind="basophil"),
        5: verdict(5, 5, "blast"),
        6: verdict(6, 6, "normal"),
        7: verdict(7, 7, "normal"),
        9: verdict(8, 9, "artifact"),
        10: verdict(9, 10, "artifact"),
    }
    found = model_agreement(labels, kinds, verdicts)
    rows = {row.key: row for row in found.kinds}
    assert list(rows) == ["neutrophil", "lymphocyte", "kind_in_doubt", "blast", "unidentified", "artifact"]
    assert rows["neutrophil"].reviewed == {"neutrophil": 1, "monocyte": 1, "kind_in_doubt": 1}
    assert {key: (row.agreed.count, row.agreed.total) for key, row in rows.items()} == {
        "neutrophil": (1, 2),  # the verdict without a kind does not decide
        "lymphocyte": (0, 1),
        "kind_in_doubt": (1, 2),  # of the labels
        "blast": (1, 1),
        "unidentified": (0, 1),
        "artifact": (1, 1),
    }
    # Decided: neutrophil twice, lymphocyte, blast, unidentified, artifact and the cell in doubt that is an artifact.
    assert (found.agreed.count, found.agreed.total) == (3, 7)
    pairs = [("n", "n"), ("n", "m"), ("l", "b"), ("b", "b"), ("u", "d"), ("a", "a"), ("d", "a")]
    assert found.kappa == pytest.approx(cohens_kappa(pairs))
    assert (found.agreed.low, found.agreed.high) == pytest.approx((15.8, 75.0), abs=0.1)
    assert [text(row.words) for row in found.kinds][:3] == ["Neutrophils", "Lymphocytes", "Normal, kind in doubt"]


def test_without_kinds_of_the_model_or_verdicts_there_is_no_agreement_by_kind():
    verdicts = {1: verdict(1, 1, "normal", kind="neutrophil")}
    assert model_agreement(LABELS_OF_A_SMEAR, {}, verdicts) is None
    assert model_agreement(LABELS_OF_A_SMEAR, KINDS_OF_A_SMEAR, {}) is None
    d = reviewed_differential(LABELS_OF_A_SMEAR, list(verdicts.values()), KINDS_OF_A_SMEAR)
    assert (d.model_agreement.agreed.count, d.before.kinds["neutrophil"], d.after.by_kind) == (1, 2, True)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("bnu"), st.sampled_from("bnu")), min_size=1, max_size=60))
def test_kappa_agrees_with_scikit_learn(pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    own = cohens_kappa(pairs)
    if own is None:
        assert len({label for pair in pairs for label in pair}) == 1
    else:
        a, b = zip(*pairs, strict=True)
        assert own == pytest.approx(metrics.cohen_kappa_score(a, b))
        assert -1 <= own <= 1
