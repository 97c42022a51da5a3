"""Strings that the API accepts: bounded, printable, with the same rules in ``openapi.json``.

Every rule is a pattern, so that ``openapi.json`` contains all that is checked. NUL
can't be stored by PostgreSQL and lone surrogates can't be encoded: pydantic refuses the
latter in every ``str``, the patterns refuse the former.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

# No control characters, and no space at either end. \u0085 counts as a space for some
# engines of regular expressions and as a control character for others; here it is neither's.
_PRINTABLE = r"[^\x00-\x1F\x7F-\x9F]"
_VISIBLE = r"[^\s\x00-\x1F\x7F-\x9F]"
LINE_PATTERN = rf"^{_VISIBLE}({_PRINTABLE}*{_VISIBLE})?$"
TEXT_PATTERN = r"^[^\x00]*$"

# The rule that browsers keep for <input type=email> (WHATWG HTML, 4.10.5.1.5), with a
# dot in the domain, as an address outside of one's own network has.
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL_PATTERN = rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(\.{_LABEL})+$"

# ITU-T E.164: a plus sign, then up to 15 digits, the first not zero.
PHONE_PATTERN = r"^\+[1-9][0-9]{6,14}$"

Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=LINE_PATTERN)]
LongText = Annotated[str, StringConstraints(max_length=4000, pattern=TEXT_PATTERN)]
Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=254, pattern=EMAIL_PATTERN),
    AfterValidator(str.lower),
]
Phone = Annotated[str, StringConstraints(min_length=8, max_length=16, pattern=PHONE_PATTERN)]
