"""What imjoy tells the user of an interpreter that is too old for it."""

from imjoy import FLOOR, PROJECT_URL, __version__

#: What can be done for an old Python, in the words of the sentence.
OFFER = "`imjoy start` makes the conda environment imjoy for it, and runs there."


def install_line(platform):
    # type: (str) -> str
    """Return the line that installs imjoy on this ``sys.platform``: what the README and ``install.sh`` say as well."""
    if platform == "win32":
        return "py -3 -m pip install git+{0}#egg=imjoy".format(PROJECT_URL)
    return "curl -fsSL {0}/raw/HEAD/install.sh | bash -s -- --start".format(PROJECT_URL)


def sentence(version, executable, what):
    # type: (tuple[int | str, ...], str | None, str) -> str
    """Return what imjoy needs, what there is, and what is done about it, in one sentence."""
    return "imjoy {imjoy} needs Python {floor} or newer, and {executable} is Python {found}: {what}".format(
        imjoy=__version__,
        floor=".".join(map(str, FLOOR)),
        executable=executable or "this interpreter",
        found=".".join(map(str, version[:3])),
        what=what,
    )
