"""Runs one command that must not outlive whoever started it: ``python -I -S process_guard.py COMMAND [ARGUMENT]…``.

Standard input is a pipe of who started us. When it ends, because that one closed it or died in whatever way, this
process and everything that the command started are killed. Otherwise the command's exit code is ours, and what it left
running is killed: every descendant on Linux and Windows, elsewhere our process group, by whoever started us. It imports
little before the command runs: this starts with every step of a build, and ``subprocess`` would double that.
"""

import _thread
import os
import sys

SIGNAL_EXIT_CODES = 128
"""A signal has no exit code; shells report it by its number and this."""
NOT_STARTED = 127
PACKAGES = __file__.rpartition("imjoy_engine")[0]


def run_posix(command: list[str]) -> int:
    """Run the command in our process group, the leader of which the caller has made us."""
    sys.path.append(PACKAGES)
    from imjoy_engine.worker.processes.orphans import adopt_orphans

    # Before the command runs: what has lost its parent earlier would never be ours.
    adopting = adopt_orphans()
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        process = os.posix_spawnp(
            command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, nothing, 0)]
        )
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return NOT_STARTED

    def kill_all() -> None:
        from imjoy_engine.worker.processes.process_tree import kill_children

        if adopting:
            kill_children()

    def die_with_the_pipe() -> None:
        while os.read(0, 1024):
            pass
        kill_all()
        os.killpg(0, 9)

    _thread.start_new_thread(die_with_the_pipe, ())
    # While the command runs, and while our files are there.
    import imjoy_engine.worker.processes.process_tree  # noqa: F401

    try:
        _, status = os.waitpid(process, 0)
    except ChildProcessError:  # our other thread has killed it, and will kill us
        status = 9
    kill_all()
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else SIGNAL_EXIT_CODES + os.WTERMSIG(status)


def run_windows(command: list[str]) -> int:
    """Run the command in a job, which ends with us, and everything in it with the job."""
    import subprocess

    sys.path.append(PACKAGES)
    from imjoy_engine.processes.job import Job

    job = Job()
    job.take_us()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def die_with_the_pipe() -> None:
        while os.read(0, 1024):
            pass
        process.kill()
        os._exit(1)

    _thread.start_new_thread(die_with_the_pipe, ())
    return process.wait()


if __name__ == "__main__":
    # The other thread may stand in a read that nothing will end.
    code = run_posix(sys.argv[1:]) if os.name == "posix" else run_windows(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
