"""The measuring half of scripts/bench-reverse: a client of GDB's remote protocol."""

import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time


class Gdb:
    """A session with a process of its own, which is told by its last argument where to listen."""

    def __init__(self, command, place="unix:{}"):
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "gdb")
        self.process = subprocess.Popen([*command, place.format(path)], stderr=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(f"{command[0]} ended at once")
                time.sleep(0.01)
        self.buffer = b""
        self.ask("QStartNoAckMode")
        self.socket.sendall(b"+")

    def send(self, packet):
        data = packet.encode()
        self.socket.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))

    def receive(self):
        while True:
            found = re.search(rb"\$([^#]*)#..", self.buffer, re.S)
            if found:
                self.buffer = self.buffer[found.end() :]
                return found[1].decode("latin-1")
            data = self.socket.recv(1 << 16)
            if not data:
                raise SystemExit("the emulator is gone")
            self.buffer += data

    def ask(self, packet):
        self.send(packet)
        return self.receive()

    def monitor(self, line):
        self.send("qRcmd," + line.encode().hex())
        text = b""
        while True:
            reply = self.receive()
            if reply == "OK":
                return text.decode()
            digits = re.sub(r"(.)\*(.)", lambda m: m[1] * (ord(m[2]) - 28), reply[1:])
            text += bytes.fromhex(digits)

    def close(self):
        self.send("k")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()


def timed(work):
    start = time.monotonic()
    result = work()
    return (time.monotonic() - start) * 1000, result


def figures(name, times):
    times = sorted(times)
    at = lambda part: times[min(len(times) - 1, int(len(times) * part))]
    print(f"{name}: p50 {at(0.5):.2f} ms, p99 {at(0.99):.2f} ms, worst {times[-1]:.2f} ms ({len(times)})")


def ours(forward_ns, command):
    choice = random.Random(1)

    first = []
    for part in (5, 25, 50, 75, 95):
        gdb = Gdb(command)
        first.append(timed(lambda: (gdb.monitor(f"seek {part}%"), gdb.ask("bs")))[0])
        gdb.close()
    figures("first seek and reverse-stepi of a fresh process, anywhere", first)

    gdb = Gdb(command)
    end = int(re.search(r" of (\d+)", gdb.monitor("where"))[1])
    print(f"recording: {end} instructions")
    seeks, firsts, backs = [], [], []
    for _ in range(40):
        target = choice.randrange(end)
        seeks.append(timed(lambda: gdb.monitor(f"seek {target}"))[0])
        firsts.append(timed(lambda: gdb.ask("bs"))[0])
        backs += [timed(lambda: gdb.ask("bs"))[0] for _ in range(100)]
    figures("seek to anywhere", seeks)
    figures("seek to anywhere, second half of them", seeks[20:])
    figures("first reverse-stepi there", firsts)
    figures("reverse-stepi, warm", backs)

    forward_ms = forward_ns / 1e6
    for name, insert, remove in [
        ("a breakpoint that is never met", "Z0,2,2", "z0,2,2"),
        ("a watchpoint that nothing can skip", "Z3,ffffffff80000000,8", "z3,ffffffff80000000,8"),
    ]:
        gdb.monitor("seek end")
        if gdb.ask(insert) != "OK":
            print(f"{name}: refused")
            continue
        taken, reply = timed(lambda: gdb.ask("bc"))
        gdb.ask(remove)
        ratio = taken / forward_ms
        print(f"reverse-continue over everything, {name}: {taken:.0f} ms = {ratio:.2f} forward ({reply})")

    gdb.monitor("seek 0")
    interrupts = []
    for part in range(10):
        gdb.monitor(f"seek {part * 9}%")
        gdb.send("vCont;c" if part % 2 else "bc")
        time.sleep(0.2)
        interrupts.append(timed(lambda: (gdb.socket.sendall(b"\x03"), gdb.receive()))[0])
    figures("Ctrl-C", interrupts)
    gdb.close()


# At 0x8000_0000; rounds of five instructions, a million but for 576 of them.
LOOP = [
    0x00002417,  #       auipc s0, 2
    0x000F44B7,  #       lui s1, 0xf4
    0x04040023,  # loop: sb zero, 64(s0)   the value that is there
    0x04943423,  #       sd s1, 72(s0)     another each time
    0x05042303,  #       lw t1, 80(s0)
    0xFFF48493,  #       addi s1, s1, -1
    0xFE0498E3,  #       bnez s1, loop
    0x001002B7,  #       lui t0, 0x100
    0x00005337,  #       lui t1, 5
    0x55530313,  #       addi t1, t1, 0x555
    0x0062A023,  #       sw t1, 0(t0)      power off
    0x0000006F,  #       j .
]


def loop(_, command):
    """Searches of a loop with a million hits. `command` is the emulator and a folder for files."""
    emulator, scratch = command
    program, recording = os.path.join(scratch, "loop"), os.path.join(scratch, "loop.rec")
    with open(program, "wb") as file:
        file.write(struct.pack(f"<{len(LOOP)}I", *LOOP))
    record = [emulator, "--memory", "16M", "--pace", "max", "--bios", program, "--record", recording]
    subprocess.run(record, stdin=subprocess.DEVNULL, check=True)
    gdb = Gdb([emulator, "--replay", recording, "--gdb"])
    rounds = 0xF4000
    for name, before, after, motion in [
        ("a breakpoint", "Z0,80000008,4", "z0,80000008,4", "bc"),
        ("a breakpoint whose condition is false", "monitor break 0x80000008 if s1 == 0", "monitor delete 0x80000008", "bc"),
        ("the same forward", "monitor break 0x80000008 if s1 == 0", "monitor delete 0x80000008", "vCont;c"),
        ("a watch of a value that stays", "Z2,80002040,1", "z2,80002040,1", "bc"),
        ("the same forward", "Z2,80002040,1", "z2,80002040,1", "vCont;c"),
        ("a watch of a value that changes", "Z2,80002048,8", "z2,80002048,8", "bc"),
        ("a watched read", "Z3,80002050,4", "z3,80002050,4", "bc"),
        ("a watch beside what is accessed", "Z4,80002058,8", "z4,80002058,8", "bc"),
        ("last-write", "", "", "monitor last-write 0x80002040 1"),
        ("last-exec", "", "", "monitor last-exec 0x8000000c"),
    ]:
        say = lambda line: gdb.monitor(line[8:]) if line.startswith("monitor ") else gdb.ask(line)
        gdb.monitor("seek 0" if motion.startswith("v") else "seek end")
        if before:
            say(before)
        taken, reply = timed(lambda: say(motion))
        where = gdb.monitor("where").split(",")[0].strip()
        if after:
            say(after)
        print(f"{name}: {taken:.0f} ms, {taken * 1e6 / rounds:.0f} ns a round; {reply.strip()[:40]!r} at {where}")
    gdb.close()


def qemu(_, command):
    """QEMU's reverse debugging late in the replay of a boot."""
    target = 800_000_000
    gdb = Gdb(command, "unix:path={},server=on,wait=off")
    gdb.socket.settimeout(100)
    try:
        # It answers first, goes there then, and tells of the stop.
        taken, said = timed(lambda: (gdb.monitor(f"replay_seek {target}"), gdb.receive())[1])
        print(f"seek: {taken:.0f} ms, {said}: {gdb.monitor('info replay').strip()}")
        backs = [timed(lambda: gdb.ask("bs")) for _ in range(5)]
        figures("reverse-stepi", [taken for taken, _ in backs])
        print(f"    the last one said {backs[-1][1]}: {gdb.monitor('info replay').strip()}")
        taken, said = timed(lambda: gdb.ask("vCont;s:p1.1"))
        print(f"the stepi behind it: {taken:.0f} ms, {said}: {gdb.monitor('info replay').strip()}")
    except TimeoutError:
        print("no answer within 100 s: killed")
        gdb.process.kill()
    gdb.close()


{"ours": ours, "loop": loop, "qemu": qemu}[sys.argv[1]](int(sys.argv[2]), sys.argv[3:])
