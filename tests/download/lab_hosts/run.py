"""Run a module, or code, as a client of the loopback's hosts: ``python -m tests.download.lab_hosts.run MODULE ARG …``.

With ``-c CODE ARG …`` it runs code. The environment is that of `reach.child_environment`.
"""

from __future__ import annotations

import runpy
import sys

from tests.download.lab_hosts.reach import reach_from_child

if __name__ == "__main__":
    reach_from_child()
    what, *arguments = sys.argv[1:]
    if what == "-c":
        code, *arguments = arguments
        sys.argv = ["-c", *arguments]
        exec(compile(code, "<client>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [what, *arguments]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
