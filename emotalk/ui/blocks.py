"""The page as a `gr.Blocks` that trusts nothing it is sent: whatever a client posts has a sentence for an answer.

Gradio checks values inside its components and prints a traceback for what they refuse; `Page` looks at them first.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import gradio as gr
from gradio.route_utils import FnIndexInferError
from starlette.responses import JSONResponse

from emotalk.core.errors import InputError
from emotalk.core.pictures import MAX_PIXELS, opened_picture
from emotalk.server.sentences import FULL_DISK
from emotalk.ui.toasts import friendly

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

log = logging.getLogger(__name__)

LARGEST = 1e15
"""No number of the page comes near; larger ones overflow somewhere."""
FILE_MARK = "gradio.FileData"
"""What Gradio writes as `meta._type` into the files that it knows."""


class Page(gr.Blocks):
    """Takes what `gr.Blocks` takes. Values of a wrong type and files that were not uploaded here never reach a
    component or a handler; a full disk and lack of memory are told in words."""

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> list[Any]:
        """The handler's arguments. Raises gr.Error with a sentence for whatever cannot be one."""
        shown = block_fn.api_visibility != "public"  # on a page; what is public is called by programs
        try:
            await anyio.to_thread.run_sync(check_values, block_fn, inputs, state, limiter=self.limiter)
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except (OSError, MemoryError):
            raise  # the server's fault, told by `process_api`
        except gr.Error as error:
            raise friendly(InputError(str(error.message)[:500]), shown) from error
        except InputError as error:
            raise friendly(error, shown) from error
        except Exception as error:
            # A component refused it. Which exception that makes is Gradio's affair; the sender reads a sentence.
            log.info("refused a value: %s", type(error).__name__)
            raise friendly(InputError("A value that was sent is not one that this page can take."), shown) from error

    async def process_api(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """One call of a handler, its errors told in words: the unforeseen ones are logged once, here."""
        if isinstance(options.get("request"), list):  # a client said that it posts a batch; no handler here takes one
            options["request"] = options["request"][0]
        try:
            return await super().process_api(*arguments, **options)
        except gr.Error:
            raise
        except Exception as error:
            raise friendly(error) from error


async def refuse_call(request: Request, error: Exception) -> Response:
    """The answer where Gradio's own routes stumble over a request before the page is asked: a handler, a name or an
    argument that there is not. 400 and a sentence; the log has a line and no traceback."""
    if "/gradio_api/" not in request.url.path:
        raise error
    log.warning("a request to %.80r was refused: %s", request.url.path, type(error).__name__)
    sentence = "There is nothing here that takes such a request; /gradio_api/info lists what there is."
    return JSONResponse({"error": sentence, "detail": sentence}, 400)


async def tell_full_disk(request: Request, error: OSError) -> Response:
    """The answer where a full disk ends a request outside the handlers, such as an upload: 507 and a sentence."""
    if error.errno not in FULL_DISK:
        raise error
    sentence = friendly(error).message
    return JSONResponse({"error": sentence, "detail": sentence}, 507)


CALL_ERRORS = dict.fromkeys((LookupError, TypeError, ValueError, AttributeError, FnIndexInferError), refuse_call)
CALL_ERRORS[OSError] = tell_full_disk
"""`exception_handlers` for the page's web application (`launch(app_kwargs=...)`)."""


def check_values(block_fn: Any, inputs: list[Any], state: Any = None) -> None:
    """Raise InputError where what was posted for a handler is not what its components hold; `state` has the components
    of the page session, whose choices may be others than at the start."""
    if block_fn.fn is None:
        raise InputError("There is nothing to run behind this; it works in the browser alone.")
    if len(inputs) < len(block_fn.inputs):
        raise InputError(f"{len(block_fn.inputs)} values are needed here, found {len(inputs)}.")
    for block, value in zip(block_fn.inputs, inputs, strict=False):
        if state is not None and block._id in state:
            block = state[block._id]
        try:
            check_files(value, Path(block.GRADIO_CACHE))
        except RecursionError as error:
            raise InputError("A value that was sent is nested too deep.") from error
        wanted = _wanted(block, value)
        if wanted:
            name = getattr(block, "label", None) or getattr(block, "elem_id", None) or "A value"
            raise InputError(f"{name}: {wanted} is needed here, found {_shown(value)}.")
        if isinstance(block, gr.Image) and value is not None and block_fn.preprocess:
            with opened_picture(Path(value["path"]), most=getattr(block, "most_pixels", MAX_PIXELS)):
                pass  # what its header claims is known before Gradio looks at it


def check_files(value: Any, uploads: Path) -> None:
    """Raise InputError where a value holds a file (as Gradio writes one: a table with `path`) that does not lie in
    the folder of uploads. Addresses are refused too: the server fetches nothing for strangers, and unpacks no file that
    is written into an address (`data:`), whose size nobody has looked at."""
    if isinstance(value, dict):
        if "path" in value and "meta" in value:
            _check_file(value["path"], uploads)
            address = value.get("url")
            if isinstance(address, str) and address.lstrip().lower().startswith("data:"):
                raise InputError("A file that is written into its address is not taken; it has to be uploaded.")
        for part in value.values():
            check_files(part, uploads)
    elif isinstance(value, list | tuple):
        for part in value:
            check_files(part, uploads)


def _check_file(path: Any, uploads: Path) -> None:
    try:
        found = Path(path).resolve() if isinstance(path, str) and path else None
        inside = found is not None and found.is_relative_to(uploads.resolve()) and found.is_file()
    except (OSError, ValueError):
        inside = False  # a name that no file can have
    if not inside:
        raise InputError("Only a file that was uploaded to this page can be used; upload it and try again.")


def _wanted(block: Any, value: Any) -> str | None:
    """What is needed in place of `value`, or None where it can be passed on."""
    if isinstance(block, gr.Number | gr.Slider):
        if value is None and isinstance(block, gr.Number):
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return None if number and -LARGEST <= value <= LARGEST else "a number"
    if isinstance(block, gr.Checkbox):
        return None if value is None or isinstance(value, bool) else "true or false"
    if isinstance(block, gr.Textbox | gr.ColorPicker):
        return None if value is None or isinstance(value, str) else "a text"
    if isinstance(block, gr.Radio | gr.Dropdown):
        values = [choice for _, choice in block.choices]
        if value is None or (getattr(block, "allow_custom_value", False) and isinstance(value, str)):
            return None
        known = isinstance(value, str | int | float) and not isinstance(value, bool) and value in values
        return None if known else "one of the choices"
    if isinstance(block, gr.Audio | gr.Video | gr.Image | gr.File):
        return None if value is None or _is_file(value) else "an uploaded file"
    if isinstance(block, gr.HTML):  # a part of the page (`parts.py`): what it holds stays of one kind
        kind = type(block.value)
        names = {str: "a text", dict: "a table", list: "a list"}
        missing = value is None and kind is not str
        return None if missing or kind not in names or isinstance(value, kind) else names[kind]
    return None


def _is_file(value: Any) -> bool:
    """Whether Gradio will take a value for a file of its own. What is a little different it takes for a file too, later
    and without the care: the address that the sender gave is then not replaced by the file's."""
    meta = value.get("meta") if isinstance(value, dict) else None
    return isinstance(meta, dict) and meta.get("_type") == FILE_MARK and isinstance(value.get("path"), str)


def _shown(value: Any) -> str:
    """A value in a message: short, and never so deep that printing it fails."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        return "a number too large"
    return f"{value!r:.60}"
