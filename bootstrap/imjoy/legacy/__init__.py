"""The road for an interpreter under the floor: Python 2.7 and 3.3 to 3.9, standard library only.

It imports nothing of ours but the facts in ``imjoy/__init__.py``, because nothing else parses here.
"""

import sys

from imjoy.legacy.sentence import sentence

#: ``ExitCode.PREFLIGHT_REFUSED``; the module that declares it does not parse on these interpreters.
PREFLIGHT_REFUSED = 3


def main():
    # type: () -> int
    """Say on stderr why imjoy does not run here and what to type instead; return exit code 3. Changes nothing."""
    sys.stderr.write(sentence(sys.version_info, sys.executable, sys.platform) + "\n")
    return PREFLIGHT_REFUSED
