"""botocore's errors, translated into the worker's: temporary, or refused."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

import botocore.exceptions as failures
from botocore.parsers import ResponseParserError

from worker.aws.causes import with_cause
from worker.aws.codes import (
    BUSY_STATUSES,
    NO_SUCH_PATH,
    NOT_IMPLEMENTED,
    TEMPORARY,
    UNSUPPORTED,
)
from worker.core.errors import Refused, Unavailable
from worker.core.masking import cut

LONGEST_TEXT = 500
"""Characters of an error message of AWS's: who may not do what with which ARN, and why."""
_LONGEST_REASON = 80
"""Characters of what is wrong with an answer; botocore may add the answer."""
_LONGEST_HTML = 20_000
"""Characters of an answer that are searched for HTML tags."""
_LONGEST_TITLE = 80
"""Characters of an HTML page that are shown: of its title, else of its text."""
_PAGE = re.compile(r"<(?:!doctype|html|head|body|title|center|h1)\b", re.IGNORECASE)
"""What an HTML page has, and no message of AWS's."""
_TITLE = re.compile(r"<(title|h1)\b[^<>]{0,200}>([^<]{1,500})", re.IGNORECASE)
_INVISIBLE = re.compile(
    r"<!--.*?(?:-->|\Z)|<(style|script)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_TAG = re.compile(r"</?[a-z!?][^<>]*(?:>|\Z)", re.IGNORECASE)
_CREDENTIAL_SOURCES = (
    "they come from an instance role, AWS's variables or files, or for a service from "
    "ses-worker.aws_credentials in /etc/credstore"
)


class NoIdentity(Unavailable):
    """The source of credentials is unavailable: a file, a helper, an endpoint."""


class Throttled(Unavailable):
    """AWS limits the rate of calls: the same call, repeated at once, would fail again."""


class AwsRefused(Refused):
    """AWS refused, with one of its error codes."""

    def __init__(self, code: str, text: str, status: int = 0, operation: str = "") -> None:
        super().__init__(f"AWS: {code}: {text}")
        self.code = code
        """The status in digits, if the answer is not AWS's."""
        self.text = text
        self.status = status
        """HTTP's status; 0 if no call was made, for lack of credentials."""
        self.operation = operation
        """Such as `GetSuppressedDestination`."""


class Unsupported(Refused):
    """The endpoint does not have the operation: it is a stand-in for AWS, or a proxy answered."""


def unsupported(error: failures.ClientError) -> Unsupported | None:
    """Return the refusal of an endpoint that does not have the operation; None: it has."""
    answer = error.response.get("Error", {})
    code, text = answer.get("Code", ""), _in_a_line(str(answer.get("Message") or ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status not in NOT_IMPLEMENTED and code not in UNSUPPORTED | NO_SUCH_PATH:
        return None
    answered = ": ".join(filter(None, [code or str(status), text]))
    return Unsupported(f"the endpoint does not support {error.operation_name} ({answered})")


@contextmanager
def translated() -> Iterator[None]:
    """Distinguish temporary failures from refusals.

    Raises:
        Unavailable: AWS failed, did not answer, or something else answered; `Throttled` where AWS
            limits the rate of calls.
        NoIdentity: the same for the source of credentials.
        Refused: no such queue, not permitted, no or wrong credentials, not a valid request.

    """
    try:
        yield
    except failures.ClientError as error:
        raise _refusal(error) from error
    except failures.NoCredentialsError as error:
        raise AwsRefused("NoCredentials", f"{error}: {_CREDENTIAL_SOURCES}") from error
    except failures.PartialCredentialsError as error:
        raise AwsRefused("NoCredentials", str(error)) from error
    except failures.CredentialRetrievalError as error:
        raise NoIdentity(f"AWS: {error}") from error
    except failures.BotoCoreError as error:
        raise Unavailable(f"AWS: {with_cause(error)}") from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if _is_of_an_answer(error):
            raise Unavailable(f"AWS: the answer is damaged, or compressed: {error}") from error
        # botocore does not translate these: a missing helper, a truncated file, new credentials
        # that have expired already.
        raise NoIdentity(f"AWS: credentials or settings cannot be read: {error}") from error
    except (AttributeError, TypeError, ResponseParserError) as error:
        # botocore assumes that any JSON answer, of a proxy for instance, is an object.
        reason = cut(str(error), _LONGEST_REASON)
        raise Unavailable(f"AWS: the answer is not AWS's: {reason}") from error


def _refusal(error: failures.ClientError) -> Unavailable | AwsRefused:
    answer = error.response.get("Error", {})
    code, text = answer.get("Code", ""), _in_a_line(str(answer.get("Message") or ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= 500:
        return Unavailable(f"AWS: {code}: {text}")
    if code in TEMPORARY or status in BUSY_STATUSES:
        return Throttled(f"AWS: {code}: {text}")
    return AwsRefused(code, text, status, error.operation_name)


def _is_of_an_answer(error: BaseException) -> bool:
    """Return whether botocore met the error while it parsed an answer, not on credentials."""
    modules = {frame.f_globals.get("__name__") for frame, _ in walk_tb(error.__traceback__)}
    return "botocore.parsers" in modules and "botocore.credentials" not in modules


def _in_a_line(text: str) -> str:
    """AWS's message in one line; of a proxy's HTML page the title, or the first words."""
    start = text[:_LONGEST_HTML]
    if "<" not in start:
        return cut(" ".join(start.split()), LONGEST_TEXT)
    title, is_page = _TITLE.search(start), _PAGE.search(start)
    shown = " ".join(title[2].split()) if title else ""
    shown = shown or " ".join(_TAG.sub(" ", _INVISIBLE.sub(" ", start)).split())
    if not is_page:
        return cut(shown, LONGEST_TEXT)
    return f"an HTML page: {cut(shown, _LONGEST_TITLE)}" if shown else "an HTML page"
