"""What the tests of the pages share with those of `deploy/`, whose files they install."""

from tests.deploy.conftest import installed

__all__ = ["installed"]
