"""Live faces on pages of other sites: a ticket and a face of nobody's, and only where the owner wants any."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from emotalk.server.live_faces import PREFIX, LiveFaces
from tests.server.live_doubles import detail, kinds, live_faces, say, show


@pytest.fixture
def faces() -> LiveFaces:
    return live_faces()


@pytest.fixture
def web(faces: LiveFaces) -> TestClient:
    return TestClient(Starlette(routes=faces.routes(embedded=True)))


def test_a_page_elsewhere_shows_a_face_that_speaks(web: TestClient) -> None:
    begun = web.post(f"/{PREFIX}/open")
    assert begun.headers["cache-control"] == "no-store"
    token = begun.json()["ticket"]
    assert web.get("/" + begun.json()["script"]).status_code == 200
    told = web.post(f"/{PREFIX}/show?ticket={token}", json={"avatar": "mira", "head_motion": 0.5}).json()
    assert told["who"] == {"moves": "as mira moves", "head_energy": 0.5, "expressivity": 0.0}
    assert web.get("/" + told["pack"]).content == b"mira"
    assert web.get("/" + told["face"]).status_code == 200
    assert kinds(say(web, token).content) == "HAE"


def test_each_page_elsewhere_is_another(web: TestClient) -> None:
    tokens = {web.post(f"/{PREFIX}/open").json()["ticket"] for _ in range(5)}
    assert len(tokens) == 5


@pytest.mark.parametrize("avatar", ["anna", "org/berta", "broken", "nobody", "", "../mira", "\ud800", "org/other"])
def test_real_people_and_faces_from_the_hub_stay_here(faces: LiveFaces, web: TestClient, avatar: str) -> None:
    token = web.post(f"/{PREFIX}/open").json()["ticket"]
    answer = web.post(f"/{PREFIX}/show?ticket={token}", content=f'{{"avatar": {avatar!a}}}'.replace("'", '"'))
    assert answer.status_code == 403
    assert "mira, kofi" in detail(answer)
    assert faces._studio.loaded == []
    show(faces, "page of our own", "anna")
    assert say(web, token, avatar="anna").status_code == 403


@pytest.mark.parametrize(("body", "status"), [
    (b"", 400), (b"[]", 422), (b"{}", 403), (b'{"avatar": 1}', 422), (b'{"avatar": "mira", "head_motion": 3}', 422),
    (b'{"avatar": "mira", "x": 1}', 422), (b'{"avatar": "mira", "expressiveness": NaN}', 400), (bytes(5000), 413),
])  # fmt: skip
def test_odd_wishes_are_refused(web: TestClient, body: bytes, status: int) -> None:
    token = web.post(f"/{PREFIX}/open").json()["ticket"]
    answer = web.post(f"/{PREFIX}/show?ticket={token}", content=body)
    assert answer.status_code == status
    detail(answer)
    assert web.post(f"/{PREFIX}/show?ticket=a", content=body).status_code == 404


def test_where_no_site_is_named_there_is_nothing_of_this(faces: LiveFaces) -> None:
    web = TestClient(Starlette(routes=faces.routes()))
    for path in ("open", "show"):
        assert web.post(f"/{PREFIX}/{path}").status_code == 404
    assert len(faces.tickets) == 0
