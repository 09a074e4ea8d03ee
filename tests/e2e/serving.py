"""``fullconv serve`` as a process of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager


class Served:
    """A running service: where it is, and what it has printed so far."""

    def __init__(self, process):
        self.process, self.lines = process, []
        self.url = None
        for line in process.stdout:
            self.lines.append(line)
            if found := re.match(r"(http://\S+)", line):
                self.url = found[1]
                break
        assert self.url, "".join(self.lines)
        self._rest = threading.Thread(target=lambda: self.lines.extend(process.stdout))
        self._rest.start()

    @property
    def text(self):
        return "".join(self.lines)

    def stop(self, how=signal.SIGTERM):
        """Send the signal; returns the exit code when the process has ended."""
        self.process.send_signal(how)
        code = self.process.wait(200)
        self._rest.join()
        return code


@contextmanager
def served(*arguments, **environment):
    """The service for the block, at a free port."""
    command = [sys.executable, "-m", "fullconv", "serve", "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(
        [*command, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env={**os.environ, **environment},
    )  # fmt: skip
    try:
        made = Served(process)
        yield made
        if process.poll() is None:
            made.stop()
        assert "Traceback" not in made.text, made.text
    finally:
        process.kill()
        process.wait()
