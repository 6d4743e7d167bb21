"""A call of the page's API that is wrong is the caller's mistake, answered with a status and a sentence.

Gradio looks endpoint and parameters up in a table and lets the error through; FastAPI repeats a body that it cannot
read, which fails again where JSON cannot hold it (NaN, half of a surrogate pair).  Either is a status 500 to the
program and a traceback in the log.

For Gradio 6.31; `tests/test_hostile.py` fails where another version lets other errors through.
"""

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


async def _refuse_call(request: Request, error: Exception) -> Response:
    if "/gradio_api/call/" not in request.url.path:
        raise error
    unknown = "endpoint" if isinstance(error, KeyError) else "parameter of this endpoint"
    message = f"the call names no {unknown}, or leaves one out: /gradio_api/info lists endpoints and their parameters"
    return JSONResponse({"detail": message}, 404 if isinstance(error, KeyError) else 422)


async def _refuse_body(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"detail": f"the body of the request cannot be read: {error.errors()[0]['msg']}"}, 422)


EXCEPTION_HANDLERS = {KeyError: _refuse_call, TypeError: _refuse_call, RequestValidationError: _refuse_body}
