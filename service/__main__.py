"""``python -m service``: serve until SIGTERM, then drain and exit with 0."""

from __future__ import annotations

import gc
import sys


def main() -> int:
    """Serve.

    Returns:
        Exit code: 0 after a requested stop, 2 for a wrong environment, 3 when it can't listen.
    """
    # Almost nothing that imports make is garbage; collecting it costs a tenth of the start.
    gc.disable()
    from service.server import serve  # noqa: PLC0415  (after gc.disable, which is the point)
    from service.settings import ConfigurationError  # noqa: PLC0415

    try:
        return serve()
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2


if __name__ == "__main__":
    sys.exit(main())
