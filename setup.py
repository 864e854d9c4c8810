"""Build imjoy; also on interpreters that it does not run on.

Everything about the distribution stands in ``pyproject.toml``. This file exists for ``pip install`` on Python 2.7 to
3.9, which has to deliver the old-host road: package ``imjoy`` with what parses there, no dependencies, the command.
``pyproject.toml`` cannot say that: the setuptools of 2.7 and 3.6 never read it, and those of 3.7 to 3.9 would take the
whole distribution from it and have pip refuse the interpreter. So under the floor it is not read, and this file is all
there is. Above the floor pip sees plain static metadata.
"""

import os
import sys

import setuptools
from setuptools.command.build_py import build_py

HERE = os.path.dirname(os.path.abspath(__file__))


def read_facts():
    """Return the names that ``bootstrap/imjoy/__init__.py`` defines, without importing it: nothing is installed yet."""
    facts = {}
    with open(os.path.join(HERE, "bootstrap", "imjoy", "__init__.py")) as source:
        exec(source.read(), facts)
    return facts


class WithoutPyproject(setuptools.Distribution):
    """A distribution that takes everything from the call of ``setup``."""

    def parse_config_files(self, filenames=None, **options):
        """Read no configuration file, whatever setuptools would have looked for."""


class BuildOldHostRoad(build_py):
    """Leave out the modules of package ``imjoy`` that do not parse under the floor."""

    def find_package_modules(self, package, package_dir):
        """Return the modules of one package that are to be built."""
        modules = build_py.find_package_modules(self, package, package_dir)
        return [module for module in modules if package != "imjoy" or module[1] in ("__init__", "__main__")]


FACTS = read_facts()
LICENCE = "MIT"

if sys.version_info >= FACTS["FLOOR"]:
    setuptools.setup(license=LICENCE)
else:
    setuptools.setup(
        distclass=WithoutPyproject,
        cmdclass={"build_py": BuildOldHostRoad},
        name="imjoy",
        version=FACTS["__version__"],
        url=FACTS["PROJECT_URL"],
        license=LICENCE,
        description="Says how to install imjoy, which needs a newer Python than this one.",
        packages=["imjoy", "imjoy.legacy"],
        # Not `build`, where an install by a newer Python may have left modules that would be picked up.
        options={"build": {"build_base": os.path.join("build", "old-hosts")}},
        package_dir={"imjoy": "bootstrap/imjoy"},
        entry_points={"console_scripts": ["imjoy = imjoy.__main__:main"]},
        python_requires=">=2.7",
        zip_safe=False,
    )
