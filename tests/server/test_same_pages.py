"""What is the same for everybody is made once."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Scope, Send

from emotalk.server.same_pages import KEPT, SamePages
from tests.loops import run_alone


class Counted:
    """An app that says how often it was asked, and under which name."""

    def __init__(self, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = (), ends: bool = True) -> None:
        self.status, self.headers, self.ends, self.asked = status, headers, ends, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        host = dict(scope["headers"]).get(b"host", b"")
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": host + b" %d" % self.asked, "more_body": True})
        if self.ends:
            await send({"type": "http.response.body", "body": b".", "more_body": False})


def ask(app: SamePages, path: str = "/", query: bytes = b"", method: str = "GET", **headers: str) -> list[Message]:
    told: list[Message] = []

    async def send(message: Message) -> None:
        if "headers" in message:
            message["headers"].append((b"x-added", b"by what stands in front"))
        told.append(message)

    names = {"host": "here"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http", "method": method, "path": path, "query_string": query, "scheme": "http", "root_path": "",
        "server": ("127.0.0.1", 7860), "headers": [(k.encode(), v.encode()) for k, v in names.items()],
    }  # fmt: skip
    run_alone(app(scope, None, send))
    return told


def body(told: list[Message]) -> bytes:
    return b"".join(message.get("body", b"") for message in told)


@pytest.mark.parametrize("path", ["/", "/config"])
def test_everybody_gets_the_answer_of_the_first(path: str):
    inner = Counted(headers=((b"content-type", b"text/html"),))
    app = SamePages(inner)
    answers = [ask(app, path) for _ in range(3)]
    assert inner.asked == 1
    assert {body(told) for told in answers} == {b"here 1."}
    for told in answers:  # headers that were added to one answer are not in the next
        assert told[0]["headers"] == [(b"content-type", b"text/html"), (b"x-added", b"by what stands in front")]


def test_each_name_of_the_page_has_an_answer_of_its_own():
    app = SamePages(Counted())
    names = [{"host": "here"}, {"host": "there"}, {"x_forwarded_host": "outside"}, {"x_forwarded_proto": "https"}]
    first = [body(ask(app, **name)) for name in names]
    assert len(set(first)) == len(names)
    assert [body(ask(app, **name)) for name in names] == first


@pytest.mark.parametrize(
    "asked",
    [{"query": b"deep_link=x"}, {"method": "HEAD"}, {"method": "POST"}, {"path": "/gradio_api/info"}],
    ids=["with a question", "HEAD", "POST", "another path"],
)
def test_whatever_else_is_asked_goes_to_the_app(asked: dict):
    inner = Counted()
    app = SamePages(inner)
    ask(app)
    ask(app, **asked)
    ask(app, **asked)
    assert inner.asked == 3


@pytest.mark.parametrize(
    "inner",
    [Counted(500), Counted(302), Counted(headers=((b"Set-Cookie", b"whose=mine"),)), Counted(ends=False)],
    ids=["a fault", "a way elsewhere", "a cookie", "an answer that broke off"],
)
def test_an_answer_for_one_person_is_not_kept(inner: Counted):
    app = SamePages(inner)
    ask(app)
    ask(app)
    assert inner.asked == 2


def test_invented_names_fill_no_memory():
    inner = Counted()
    app = SamePages(inner)
    for number in range(3 * KEPT):
        ask(app, host=f"name{number}")
    ask(app, host=f"name{3 * KEPT - 1}")
    assert inner.asked == 3 * KEPT
    ask(app, host="name0")  # made room for others
    assert inner.asked == 3 * KEPT + 1


def test_what_is_no_request_goes_through():
    """The start of the server: without it nothing that waits for it is ever done."""

    class Started:
        asked = 0

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            self.asked += 1

    inner = Started()
    run_alone(SamePages(inner)({"type": "lifespan"}, None, None))
    assert inner.asked == 1
