"""A recorded session and somebody who looks at its pages."""

import pytest

from tests.helpers.review_record import Browser, context, fill


@pytest.fixture
def session(tmp_path):
    return fill(tmp_path)


@pytest.fixture
def shared(tmp_path, session):
    assert session
    return context(tmp_path)


@pytest.fixture
def browser(shared):
    return Browser(shared)
