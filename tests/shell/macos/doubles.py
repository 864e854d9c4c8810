"""Strict doubles of a Mac's commands: what Apple's refuse is refused, what Apple's print otherwise is printed so.

Each stands for one command and names the Apple source that it follows: project and tag of
https://github.com/apple-oss-distributions. Where what they do is the same everywhere, this machine's command does it.
``install`` writes them into a folder of PATH; ``tests/integration/install_scripts`` and ``tests/shell`` run through
them with ``make test-macos``, and a part of the former in the ordinary run. Apple's stubs of git and Python are mounted
over /usr/bin by ``on_a_mac`` there.
"""

from __future__ import annotations

import getopt
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
# Of a MacBook Air of 2020 with macOS 14.5 that has neither developer tools nor a name in DNS.
VERSION, BUILD, ARCH, NODE = "14.5", "23F79", "arm64", "ada.local"


def main(name: str, words: list[str]) -> int:
    """Be the command of that name; what it does not know ends it as Apple's usage does."""
    try:
        return COMMANDS[name](words)
    except getopt.GetoptError as error:
        _refuse(f"{name}: {error.msg.replace('option -', 'illegal option -- ')}\nusage: {name}")
        return 64 if name == "xcode-select" else 1


def install(folder: Path, *names: str) -> None:
    """Write the doubles, or those of ``names``, into a folder, in the place of what it has of their names."""
    for name in names or COMMANDS:
        file = folder / name
        file.unlink(missing_ok=True)
        line = shlex.join([sys.executable, "-I", "-S", "-B", str(Path(__file__)), name])
        file.write_text(f'#!/bin/sh\nexec {line} "$@"\n', encoding="utf-8")
        file.chmod(0o755)


def head(words: list[str]) -> int:
    """head(1), text_cmds-199, head/head.c: a count has to be above zero, and nothing may stand behind its digits."""
    options, files = getopt.getopt(words, "n:c:", ["lines=", "bytes="])
    for option, count in options:
        if not count.isdigit() or int(count) == 0:
            what = "byte" if option in ("-c", "--bytes") else "line"
            return _refuse(f"head: illegal {what} count -- {count}")
    return _real("head", words, files)


def sed(words: list[str]) -> int:
    """sed(1), text_cmds-199, sed/main.c: no long options, and -i takes what follows it for the suffix of a backup."""
    options, rest = getopt.getopt(words, "EHI:ae:f:i:lnru")
    given = dict(options)
    if not {"-e", "-f"} & set(given):
        if not rest:
            return _refuse("usage: sed script [-EHalnru] [-i extension] [file ...]")
        rest = rest[1:]
    if "-i" not in given:
        return _real("sed", words, rest)
    suffix, script = given["-i"], words[: len(words) - len(rest)]
    at = script.index("-i")
    return _real("sed", [*script[:at], f"-i{suffix}", *script[at + 2 :], *rest], rest)


def wc(words: list[str]) -> int:
    """wc(1), text_cmds-199, wc/wc.c: each number stands in seven places behind a blank, one alone too."""
    options, files = getopt.getopt(words, "clmwL")
    chosen = "".join(option[1] for option, _ in options) or "lwc"
    status, totals = 0, [0] * 5
    for file in files or [""]:
        try:
            data = Path(file).read_bytes() if file else sys.stdin.buffer.read()
        except OSError as error:
            status = _refuse(f"wc: {file}: open: {error.strerror}")
            continue
        text = data.decode("utf-8", "replace")
        counts = (data.count(b"\n"), len(data.split()), len(text), len(data), max(map(len, text.split("\n"))))
        totals = [one + more for one, more in zip(totals, counts, strict=True)]
        _say_counts(chosen, counts, file)
    if len(files) > 1:
        _say_counts(chosen, totals, "total")
    return status


def _say_counts(chosen: str, counts: list[int] | tuple[int, ...], file: str) -> None:
    shown = [f" {count:7d}" for letter, count in zip("lwmcL", counts, strict=True) if letter in chosen]
    _say("".join(shown) + (f" {file}" if file else ""))


def mktemp(words: list[str]) -> int:
    """mktemp(1), shell_cmds-329, mktemp/mktemp.c: -t takes a prefix and no template; only X at the end are replaced."""
    options, templates = getopt.getopt(words, "dp:qt:u", ["directory", "tmpdir=", "quiet", "dry-run"])
    if any(option == "-t" for option, _ in options):
        prefix = dict(options)["-t"]
        folder = os.environ.get("TMPDIR", "/tmp")
        kept = [option for option, _ in options if option in ("-d", "-q", "-u")]
        return _real("mktemp", [*kept, f"{folder.rstrip('/')}/{prefix}.XXXXXXXXXX", *templates], [])
    for template in templates:
        if not template.endswith("X"):
            return _refuse(f"mktemp: mkstemp failed on {template}: File exists")
    return _real("mktemp", words, [])


def date(words: list[str]) -> int:
    """date(1), shell_cmds-329, date/date.c: no -d and no words for a time; -r takes seconds; no %N."""
    options, rest = getopt.getopt(words, "f:I:jnRr:uv:z:")
    given = dict(options)
    if "-f" in given or "-v" in given:
        return _refuse("date: this double does not read or move times")
    if rest and not rest[0].startswith("+"):
        return _refuse("date: illegal time format")
    seconds = given.get("-r", "")
    if seconds and not seconds.isdigit():
        return _refuse(f"date: {seconds}: No such file or directory")
    moment = float(seconds) if seconds else time.time()
    broken = time.gmtime(moment) if "-u" in given else time.localtime(moment)
    form = rest[0][1:] if rest else "%a %b %e %H:%M:%S %Z %Y"
    # An unknown conversion is printed without its percent sign: strftime(3) of Libc.
    _say(time.strftime(form.replace("%N", "N"), broken))
    return 0


def stat(words: list[str]) -> int:
    """stat(1), file_cmds-457.100.3, stat/stat.c: -f takes the format, and there is no -c and no long option."""
    options, files = getopt.getopt(words, "f:FHlLnqrst:x")
    given = dict(options)
    if "-f" not in given:
        return _refuse("stat: this double knows -f only")
    for file in files:
        try:
            found = Path(file).stat() if "-L" in given else Path(file).lstat()
        except OSError as error:
            return _refuse(f"stat: {file}: stat: {error.strerror}")
        values: dict[str, object] = {
            "%z": found.st_size,
            "%m": int(found.st_mtime),
            "%i": found.st_ino,
            "%d": found.st_dev,
        }
        values |= {"%u": found.st_uid, "%Lp": f"{found.st_mode & 0o777:o}", "%N": file}
        text = given["-f"]
        for key in sorted(values, key=len, reverse=True):
            text = text.replace(key, str(values[key]))
        _say(text, end="" if "-n" in given else "\n")
    return 0


def readlink(words: list[str]) -> int:
    """readlink(1), file_cmds-457.100.3, stat/stat.c: -f (since macOS 12.3) and -n, and nothing else."""
    _, files = getopt.getopt(words, "fn")
    return _real("readlink", words, files)


def df(words: list[str]) -> int:
    """df(1), file_cmds-457.100.3, df/df.c: a place may have blanks in its name, and inodes stand in front of it."""
    getopt.getopt(words, "abcgHhIiklmnPtT:Y,")
    blocks = 1024 if {"-k", "-Pk", "-kP"} & set(words) else 512
    inodes = "" if "-P" in words or "-Pk" in words else " iused      ifree %iused"
    _say(f"Filesystem    {blocks}-blocks      Used Available Capacity{inodes}  Mounted on")
    numbers = "" if not inodes else "  404475 2089218080    0%"
    _say(f"map auto_home         0         0         0   100%{numbers}  /System/Volumes/Data/home")
    _say(f"/dev/disk3s5  494384795 216000000 261000000    46%{numbers}  /System/Volumes/Data")
    return 0


def ps(words: list[str]) -> int:
    """ps(1), adv_cmds-237, ps/ps.c: no long options; `comm` is the whole path of the program."""
    options, rest = getopt.getopt(words, "AaCcdEefG:g:hjLlMmO:o:p:rSTt:U:u:vwx")
    if rest:
        return _refuse(f"ps: illegal argument: {rest[0]}")
    given = dict(options)
    if given.get("-o") != "comm=" or "-p" not in given:
        return _real("ps", words, [])
    try:
        _say(str(Path(f"/proc/{given['-p']}/exe").readlink()))
    except OSError:
        return 1
    return 0


def ls(words: list[str]) -> int:
    """ls(1), file_cmds-457.100.3, ls/ls.c: CLICOLOR_FORCE with CLICOLOR colours what no terminal reads."""
    _, files = getopt.getopt(words, "@1ABCD:FGHILOPRSTUWXabcdefghiklmnopqrstuvwxy%,", ["color="])
    if "CLICOLOR_FORCE" in os.environ and "CLICOLOR" in os.environ:
        return _real("ls", ["--color=always", *words], files)
    return _real("ls", words, files)


def sw_vers(words: list[str]) -> int:
    """sw_vers(1): closed source; the manual page of macOS 14 has these three options, with one hyphen or two."""
    known = {"ProductName": "macOS", "ProductVersion": VERSION, "BuildVersion": BUILD}
    if not words:
        for name, value in known.items():
            _say(f"{name}:\t\t{value}")
        return 0
    asked = words[0].lstrip("-").casefold()
    found = [value for name, value in known.items() if name.casefold() == asked]
    if os.environ.get("SYSTEM_VERSION_COMPAT") == "1" and asked == "productversion":
        found = ["10.16"]
    if not found or len(words) > 1:
        return _refuse(f"sw_vers: unrecognized option `{words[0]}'")
    _say(found[0])
    return 0


def uname(words: list[str]) -> int:
    """uname(1), shell_cmds-329, uname/uname.c: no long options, no -i; -p says arm, or i386 on Intel."""
    options, rest = getopt.getopt(words, "amnoprsv")
    if rest:
        return _refuse("usage: uname [-amnoprsv]")
    release = "23.5.0"
    version = f"Darwin Kernel Version {release}"
    said = {"s": "Darwin", "n": NODE, "r": release, "v": version, "m": ARCH, "p": "arm", "o": "Darwin"}
    chosen = {option[1] for option, _ in options} or {"s"}
    if "a" in chosen:
        chosen |= set("snrvm")
    _say(" ".join(text for letter, text in said.items() if letter in chosen))
    return 0


def sysctl(words: list[str]) -> int:
    """sysctl(8), system_cmds-1026.100.5, sysctl/sysctl.c: 1 and a word for a name that is not there.

    A native process of Apple silicon has sysctl.proc_translated 0; Intel Macs do not have the name.
    """
    options, names = getopt.getopt(words, "AabdehiltNnoqx")
    known = {"sysctl.proc_translated": "0", "hw.optional.arm64": "1", "kern.ostype": "Darwin"}
    status = 0
    for name in names:
        if name not in known:
            status = _refuse(f"sysctl: unknown oid '{name}'")
        else:
            _say(known[name] if ("-n", "") in options else f"{name}: {known[name]}")
    return status


def xcode_select(words: list[str]) -> int:
    """xcode-select(1): closed source; -p without developer tools says so and ends with 2, and no dialog opens."""
    if words not in (["-p"], ["--print-path"]):
        return _refuse("xcode-select: error: this double knows -p only", 64)
    return _refuse("xcode-select: error: Unable to get active developer directory.", 2)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "head": head,
    "sed": sed,
    "wc": wc,
    "mktemp": mktemp,
    "date": date,
    "stat": stat,
    "readlink": readlink,
    "df": df,
    "ps": ps,
    "ls": ls,
    "sw_vers": sw_vers,
    "uname": uname,
    "sysctl": sysctl,
    "xcode-select": xcode_select,
    "xcrun": xcode_select,
}


def _real(name: str, words: list[str], files: list[str]) -> int:
    """Have the command of this machine do what is the same on both, options in front as Apple's want them."""
    options = words[: len(words) - len(files)] if files else words
    environ = {**os.environ, "PATH": SYSTEM_PATH, "POSIXLY_CORRECT": "1"}
    return subprocess.run([name, *options, *files], env=environ, check=False).returncode


def _say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)


def _refuse(what: str, status: int = 1) -> int:
    sys.stderr.write(f"{what}\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
