"""Real parts for tests that need a conda, an installer of Miniconda, a channel or a bad network.

Anaconda cannot be reached, so these doubles stand in. They speak the real formats: ``.conda`` packages with sha256
sums, ``repodata.json``, ``conda-meta``, explicit lists, self-extracting installers. Linux only; elsewhere, and where no
Python can be moved, the fixtures skip and say why. The first run on a machine makes the packages (some 20 s, kept in
``.pytest_cache``), every later one links them.

Fixtures, for every test (``tests/kit/fixtures.py``):

``channel``
    The channel over http on loopback, as conda-forge: ``CONDA_CHANNEL_ALIAS``, ``CONDA_PKGS_DIRS`` and
    ``RATTLER_CACHE_DIR`` are set for this process and what it starts. It has python 3.6, 3.8, 3.11, 3.12 and 3.13
    (those that are here), pip, conda (26.7.1 and 26.9.0) and small modules. ``channel.url``; ``channel.asked`` lists
    the paths that were asked for; ``channel.stall.set()`` makes packages begin and never end;
    ``channel.channel.add_module(name, version)`` adds a package.
``miniconda``
    A function: ``conda = miniconda()`` makes a Miniconda in ``~/miniconda3`` (or in the folder given) in 0.2 s, returns
    its ``conda`` command, which is :mod:`tests.kit.conda_double`. With ``channel`` too,
    ``conda create -n imjoy --override-channels -c conda-forge python=3.13 pip`` makes a real environment in about a
    second. Its files are hard links: replace one, never write into it.
``explicit_list``
    A function: ``explicit_list("python=3.13", "pip")`` returns the text of an explicit list, with urls of the channel
    and md5 sums, for ``conda create --file``.
``doubles``
    ``doubles.folder`` has the installers of Miniconda and Miniforge under their real names, ``doubles.sha256`` is that
    of each: ``--mirror URL --sha256 …`` or ``--installer FILE --sha256 …``. What they unpack has Python, pip, the
    double of conda, and the packages that imjoy needs (but for uv).
``standalone``
    A double of python-build-standalone: ``standalone.file`` is a ``tar.gz`` of a whole Python, for
    ``IMJOY_PYTHON_URL``, and ``standalone.sha256`` for ``IMJOY_PYTHON_SHA256``; see :mod:`tests.kit.standalone`.
``mirror``
    A server for the folder ``mirror.folder`` that misbehaves as the first part of the path says; see
    :mod:`tests.kit.mirror`.
``wheel``
    A wheel of this checkout, built once a run.

``python -m tests.kit FOLDER`` makes the installers and the channel in a folder, for the tests of the shell.
"""
