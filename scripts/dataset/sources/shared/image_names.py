"""What names say: which files may be images, and which class a folder stands for. Nothing is looked at but names."""

from collections.abc import Collection

ODD_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
"""Files that systems put into folders by themselves, in lower case."""
ODD_FOLDERS = {"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"}
"""Folders that systems put beside images by themselves, in lower case."""
TEXTS = {"readme", "license", "licence", "copying", "notice", "changelog", "citation", "authors", "version", "makefile"}
"""Files that accompany a data set under a name without extension, in lower case."""
NO_IMAGES = {
    *(
        "txt",
        "csv",
        "tsv",
        "json",
        "jsonl",
        "xml",
        "md",
        "rst",
        "html",
        "htm",
        "css",
        "js",
        "yaml",
        "yml",
        "toml",
        "ini",
    ),
    *(
        "cfg",
        "conf",
        "log",
        "pdf",
        "tex",
        "bib",
        "rtf",
        "doc",
        "docx",
        "xls",
        "xlsx",
        "ppt",
        "pptx",
        "odt",
        "py",
        "pyc",
    ),
    *("ipynb", "c", "h", "cpp", "java", "sh", "bat", "exe", "dll", "so", "zip", "tar", "gz", "tgz", "bz2", "xz", "zst"),
    *(
        "7z",
        "rar",
        "iso",
        "parquet",
        "arrow",
        "feather",
        "npy",
        "npz",
        "pkl",
        "pickle",
        "pt",
        "pth",
        "onnx",
        "h5",
        "hdf5",
    ),
    *("mat", "rec", "idx", "bin", "lst", "db", "sqlite", "mdb", "lmdb", "tfrecord", "safetensors", "cls", "mp4", "avi"),
    *("mov", "mkv", "webm", "mpg", "mpeg", "mp3", "wav", "flac", "ogg", "md5", "sha1", "sha256", "sha512", "torrent"),
    *("part", "tmp", "bak", "swp", "lock", "lnk", "url"),
}
"""Extensions, in lower case, of files that are no images."""
DATA = {"parquet", "npy", "npz", "tar", "gz", "tgz", "idx", "bin"}
"""Extensions of `NO_IMAGES` that a source of another kind may have."""
TABLES = (".csv", ".tsv", ".parquet")
"""Extensions of files that may hold labels."""
SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}
"""Folders that are parts of a data set rather than classes, in lower case."""
UNLABELLED = "unlabelled"
"""The class of images outside of every class, where others have one."""


def is_oddity(name: str) -> bool:
    """Say whether the name of a file or folder is hidden, or one that systems put beside images by themselves."""
    return name.startswith(".") or name.lower() in ODD_FILES or name.lower() in ODD_FOLDERS


def may_be_image(name: str) -> bool:
    """Say whether the file of that name may be an image: unless it's an oddity, or its extension says otherwise."""
    stem, dot, extension = name.rpartition(".")
    if not dot:
        return extension.lower() not in TEXTS
    return extension.lower() not in NO_IMAGES and stem != "" and not is_oddity(name)


def is_data(name: str) -> bool:
    """Say whether the file of that name may hold images or be one."""
    return may_be_image(name) or name.rpartition(".")[2].lower() in DATA


def is_table(name: str) -> bool:
    """Say whether the file of that name may hold labels."""
    return name.lower().endswith(TABLES) and not is_oddity(name)


def is_candidate(path: str) -> bool:
    """Say whether a file may be an image by its relative path: no part of it is an oddity."""
    *folders, name = path.split("/")
    return may_be_image(name) and not any(map(is_oddity, folders))


def classes(folders: Collection[str]) -> tuple[dict[str, int], list[str]]:
    """Return the label of each folder that holds images, and the names of the classes; [] where there are none.

    `folders` are relative paths, "" for the uppermost. The class is the name of the first folder on the way, after

    - folders that all images lie in, unless these lie in one folder alone,
    - the folders of `SPLITS`, where no other folder stands beside them.
    """
    ways = {folder: folder.split("/") if folder else [] for folder in folders}
    first, last = min(ways.values()), max(ways.values())
    shared = next((place for place, way in enumerate(zip(first, last, strict=False)) if way[0] != way[1]), len(first))
    below = {folder: way[shared:] for folder, way in ways.items()}
    if not any(below.values()):
        below = {folder: [name for name in way[-1:] if name.lower() not in SPLITS] for folder, way in ways.items()}
    if all(way[0].lower() in SPLITS for way in below.values() if way):
        below = {folder: way[1:] for folder, way in below.items()}
    of_folder = {folder: way[0] if way else None for folder, way in below.items()}
    names = sorted({name for name in of_folder.values() if name is not None})
    if not names:
        return dict.fromkeys(of_folder, 0), []
    if None in of_folder.values():
        names.append(UNLABELLED)
    number = {name: label for label, name in enumerate(names)}
    return {folder: number[name or UNLABELLED] for folder, name in of_folder.items()}, names
