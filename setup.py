"""Build imjoy; also on interpreters that it does not run on.

Everything about the distribution stands in ``pyproject.toml``. This file exists for ``pip install`` on Python 2.7 to
3.9, which has to deliver what old hosts need: package ``imjoy`` with what parses there, the sources that it installs,
no dependencies, the command.
``pyproject.toml`` cannot say that: the setuptools of 2.7 and 3.6 never read it, and those of 3.7 to 3.9 would take the
whole distribution from it and have pip refuse the interpreter. So under the floor it is not read, and this file is all
there is. Above the floor pip sees plain static metadata.
"""

import os
import sys
import zipfile

import setuptools
from setuptools.command.build_py import build_py

HERE = os.path.dirname(os.path.abspath(__file__))
#: What building imjoy reads.
SOURCES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "bootstrap", "engine")
#: What installs them where no Python is new enough to do so.
INSTALL_SCRIPTS = ("install.sh", "install.ps1")


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
    """Leave out the modules of package ``imjoy`` that do not parse under the floor, and put the sources beside them."""

    def find_package_modules(self, package, package_dir):
        """Return the modules of one package that are to be built."""
        modules = build_py.find_package_modules(self, package, package_dir)
        return [module for module in modules if package != "imjoy" or module[1] in ("__init__", "__main__")]

    def run(self):
        """Build, and pack what a newer Python installs: pip before 20.1 does not record where imjoy came from."""
        build_py.run(self)
        pack_sources(self.packed())

    def get_outputs(self, include_bytecode=1):
        """Return every file that was built."""
        return build_py.get_outputs(self, include_bytecode) + [self.packed()]

    def packed(self):
        """Return where the packed sources go."""
        name = "imjoy-{0}.zip".format(self.distribution.get_version())
        return os.path.join(self.build_lib, "imjoy", "legacy", name)


def pack_sources(target):
    """Write an archive of what ``SOURCES`` and ``INSTALL_SCRIPTS`` name; the same sources give the same bytes."""
    top = os.path.splitext(os.path.basename(target))[0]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(source_files()):
            member = zipfile.ZipInfo("/".join([top] + os.path.relpath(path, HERE).split(os.sep)))
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            with open(path, "rb") as source:
                archive.writestr(member, source.read())


def source_files():
    """Yield the files that an install needs."""
    for name in SOURCES + INSTALL_SCRIPTS:
        path = os.path.join(HERE, name)
        if os.path.isfile(path):
            yield path
        for folder, _, files in os.walk(path):
            if "__pycache__" not in folder and ".egg-info" not in folder:
                for file in files:
                    if not file.endswith(".pyc"):
                        yield os.path.join(folder, file)


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
        description="Installs imjoy with a newer Python, and runs it there.",
        packages=["imjoy", "imjoy.legacy"],
        # Not `build`, where an install by a newer Python may have left modules that would be picked up.
        options={"build": {"build_base": os.path.join("build", "old-hosts")}},
        package_dir={"imjoy": "bootstrap/imjoy"},
        entry_points={"console_scripts": ["imjoy = imjoy.__main__:main"]},
        python_requires=">=2.7",
        zip_safe=False,
    )
