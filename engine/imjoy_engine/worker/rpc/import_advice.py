"""What to write in a plugin's config when a module is missing."""

# Modules whose project has another name, as published plugins import them.
PROJECTS = {
    "Bio": "biopython",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "fitz": "pymupdf",
    "git": "gitpython",
    "google.protobuf": "protobuf",
    "igraph": "python-igraph",
    "imjoy_rpc": "imjoy-rpc",
    "itk": "itk",
    "javabridge": "python-javabridge",
    "pl_bolts": "lightning-bolts",
    "pytorch_lightning": "pytorch-lightning",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skvideo": "sk-video",
    "sitk": "SimpleITK",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}


def advice(error: BaseException) -> str:
    """Return the line to add for a module that is missing; empty for every other error."""
    name = getattr(error, "name", None)
    # A part of a package that is there is not repaired by a package more.
    if not isinstance(error, ModuleNotFoundError) or not name or "." in name:
        return ""
    project = PROJECTS.get(name, name.replace("_", "-"))
    return (
        'The plugin\'s environment has no module {}. Add "{}" to "requirements" in the plugin\'s config, '
        "then load it again."
    ).format(name, project)
