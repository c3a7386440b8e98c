"""The measuring half of `scripts/prove-replay kills`: how much of a run does kill -9 cost?

The demo guest prints the time since power-on; with `--pace real` its clock follows the host's. So the last
time that it printed, and how long ago that was on the host's clock when the kill came, say where the run
stood. The recording says up to where it replays. The difference is what was lost. In half of the runs the
guest is typed to until the kill, in the others it has been left alone for a while, so that nothing but
progress marks can say how far it came.
"""

import fcntl
import os
import random
import re
import subprocess
import sys
import time

EMULATOR, COUNT, FOLDER = sys.argv[1], int(sys.argv[2]), sys.argv[3]


class Run:
    """A guest that is recorded, and what it has said."""

    def __init__(self, recording):
        command = [EMULATOR, "--memory", "64M", "--pace", "real", "--record", recording]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        flags = fcntl.fcntl(self.process.stdout, fcntl.F_GETFL)
        fcntl.fcntl(self.process.stdout, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        self.said = b""
        self.times = []
        # Virtual seconds that were printed last, and the host's clock then.
        self.printed = None

    def listen(self):
        said = self.process.stdout.read()
        if said:
            self.said += said
            times = re.findall(rb"up (\d+\.\d+) s", self.said)
            if times != self.times:
                self.times = times
                self.printed = (float(times[-1]), time.monotonic())

    def go_on(self, seconds, typing):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if typing:
                self.process.stdin.write(b"uptime\r")
                self.process.stdin.flush()
            for _ in range(10):
                time.sleep(0.001)
                self.listen()

    def kill(self):
        """Kills it: the virtual seconds that it had reached, and all that it had said."""
        self.listen()
        self.process.kill()
        killed = time.monotonic()
        self.process.wait()
        self.process.stdin.close()
        os.set_blocking(self.process.stdout.fileno(), True)
        self.said += self.process.stdout.read()
        printed, when = self.printed
        return printed + killed - when, self.said


def ask(*arguments):
    return subprocess.run([EMULATOR, *arguments], capture_output=True)


def main():
    chance = random.Random(4711)
    losses, wrong = [], 0
    for number in range(COUNT):
        recording = os.path.join(FOLDER, "kill.rec")
        run = Run(recording)
        while run.printed is None:
            run.go_on(0.02, True)
        run.go_on(chance.uniform(0.05, 0.6), True)
        if number % 2:
            run.go_on(chance.uniform(0.1, 0.6), False)
        reached, said = run.kill()
        info = ask("info", "--json", recording).stdout
        last = [int(re.search(rb'"%s":(\d+)' % key, info)[1]) for key in (b"last_steps", b"last_idle_ns")]
        losses.append(reached - sum(last) / 1e9)
        verified = ask("verify", recording)
        again = ask("--replay", recording).stdout
        if verified.returncode != 0 or not said.startswith(again):
            wrong += 1
            print(f"kill {number}: {verified.stdout.decode()}{verified.stderr.decode()}", file=sys.stderr)
    losses.sort()
    milliseconds = [f"{1e3 * losses[int(part * (COUNT - 1))]:.0f}" for part in (0.5, 0.95, 1)]
    print(
        f"kills: {COUNT - wrong} of {COUNT} recordings replay as far as they go; lost of the run:"
        f" median {milliseconds[0]} ms, of 95 in 100 at most {milliseconds[1]} ms, at most {milliseconds[2]} ms"
    )
    sys.exit(wrong > 0 or losses[-1] > 0.1)


main()
