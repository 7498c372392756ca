"""Runs programs, each reading from the one before it, and says what they took. Started as `python -I -S` on this file.

A process of its own with nothing imported, because Linux counts what the parent held when it started a program as that
program's peak memory (`ru_maxrss` outlives `execve`): here that is some 10 MB, in the benchmark's own process hundreds.

In: one argument, JSON of `pipe` (lists of words), and of `stdin`, `stdout` and `stderr` (files). Out: JSON of `seconds`,
and of the programs' `cpu` (seconds), `peak` (bytes) and `status`, each a list.
"""

import json
import os
import sys
import time


def main(task: dict) -> dict:  # type: ignore[type-arg]
    """Run the pipe to its end."""
    pipe, ends = task["pipe"], [os.open(task["stdin"], os.O_RDONLY)]
    errors = os.open(task["stderr"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    began = time.perf_counter()
    started = []
    for number, words in enumerate(pipe):
        if number == len(pipe) - 1:
            following, out = None, os.open(task["stdout"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        else:
            following, out = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate((ends[-1], out, errors))]
        started.append(os.posix_spawnp(words[0], words, os.environ, file_actions=actions))
        os.close(ends.pop())
        os.close(out)
        if following is not None:
            ends.append(following)
    ended = [os.wait4(pid, 0)[1:] for pid in started]
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "status": [os.waitstatus_to_exitcode(status) for status, _ in ended],
        "cpu": [used.ru_utime + used.ru_stime for _, used in ended],
        "peak": [used.ru_maxrss * 1024 for _, used in ended],
    }


if __name__ == "__main__":
    json.dump(main(json.loads(sys.argv[1])), sys.stdout)
