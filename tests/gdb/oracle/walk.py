# Walks a recording at random inside GDB; every stop has to be the oracle's (tests/gdb/oracle.rs).
import array
import bisect
import os
import random
import re
import time

import gdb

FOLDER = os.environ["ORACLE"]
MOTIONS = int(os.environ["ORACLE_MOTIONS"])
MASK = (1 << 64) - 1
# How far a search may have to go: far enough for checkpoints, near enough for ten thousand of them.
REACH = 20_000


def column(name):
    words = array.array("Q")
    with open(os.path.join(FOLDER, name), "rb") as file:
        words.frombytes(file.read())
    return words


pc, registers, state, ram, a0, flags = map(column, ["pc", "registers", "state", "ram", "a0", "flags"])
begin = column("begin")[0]
last = len(pc) - 1
raw = column("accesses")
WRITE, READ, CHANGED = 1, 2, 4
# (step, kind, length, physical, virtual), ascending by step
accesses = [
    (raw[i], raw[i + 1] & 0xFF, raw[i + 1] >> 8, raw[i + 2], raw[i + 3]) for i in range(0, len(raw), 4)
]
access_steps = [access[0] for access in accesses]
where_run = {}
for index in range(last):
    if not flags[index] >> 8 & 1:
        where_run.setdefault(pc[index], []).append(index)

choice = random.Random(int(os.environ["ORACLE_SEED"]))
counts = {}


def gdb_says(command):
    return gdb.execute(command, to_string=True)


def fail(message):
    gdb.write("FAILED: " + message + "\n")
    gdb.flush()
    gdb.execute("kill")
    os._exit(1)


def where():
    said = gdb_says("monitor digest")
    found = re.match(r"(\d+).*  state (\w+)  ram (\w+)", said)
    if not found:
        fail("no digest: " + said)
    return int(found[1]) - begin, int(found[2], 16), int(found[3], 16) & MASK


def check(expected, what):
    index, its_state, its_ram = where()
    if index != expected:
        fail(f"{what}: stopped at {index}, the oracle says {expected}")
    frame = gdb.newest_frame()
    value = int(frame.read_register("pc")) & MASK
    if value != pc[expected]:
        fail(f"{what}: pc {value:#x}, the oracle says {pc[expected]:#x}")
    hashed = 0xCBF29CE484222325
    for number in range(1, 32):
        word = int(frame.read_register(f"x{number}")) & MASK
        hashed = ((hashed ^ word) * 0x100000001B3) & MASK
        hashed = (hashed << 23 | hashed >> 41) & MASK
    if hashed != registers[expected]:
        fail(f"{what}: other registers than the oracle's at {expected}")
    if its_state != state[expected]:
        fail(f"{what}: another device or hart state than the oracle's at {expected}")
    if its_ram != ram[expected]:
        fail(f"{what}: another memory than the oracle's at {expected}")


def seek(at):
    to = choice.randrange(last + 1)
    gdb_says(f"monitor seek {begin + to}")
    gdb_says("maintenance flush register-cache")
    return to


def step(at):
    many = min(choice.randint(1, 4), last - at)
    if many:
        gdb_says(f"stepi {many}")
    return at + many


def step_back(at):
    many = min(choice.randint(1, 6), at)
    if many:
        gdb_says(f"reverse-stepi {many}")
    return at - many


def run_ahead(at, hits):
    place = bisect.bisect_right(hits, at)
    return hits[place] if place < len(hits) else None


def run_before(at, hits):
    place = bisect.bisect_left(hits, at)
    return hits[place - 1] if place else None


def breakpoint(at, back):
    near = range(max(0, at - REACH), at) if back else range(at + 1, min(last, at + REACH))
    if not near:
        return None
    addr = pc[choice.choice(near)]
    expected = (run_before if back else run_ahead)(at, where_run.get(addr, []))
    if expected is None:
        return None
    gdb_says(f"{choice.choice(['break', 'hbreak'])} *{addr:#x}")
    gdb_says("reverse-continue" if back else "continue")
    gdb_says("delete")
    return expected


def condition(at, back):
    near = range(max(0, at - REACH), at) if back else range(at + 1, min(last, at + REACH))
    if not near:
        return None
    chosen = choice.choice(near)
    addr, value = pc[chosen], a0[chosen]
    if addr == pc[at]:
        return None
    hits = [index for index in where_run.get(addr, []) if a0[index] == value]
    expected = (run_before if back else run_ahead)(at, hits)
    if expected is None:
        return None
    gdb_says(f"monitor break {addr:#x} if a0 == {value:#x}")
    gdb_says("reverse-continue" if back else "continue")
    gdb_says(f"monitor delete {addr:#x}")
    return expected


def watch(at, back, kind):
    if flags[at] & 3 == 3:
        return None  # Machine mode has no page table to look the address up in.
    lower = bisect.bisect_left(access_steps, max(0, at - REACH) if back else at)
    upper = bisect.bisect_left(access_steps, at if back else at + REACH)
    wanted = WRITE | CHANGED if kind == "watch" else READ if kind == "rwatch" else 0
    fit = [
        access
        for access in accesses[lower:upper]
        if access[1] & wanted == wanted and access[4] >> 63 and access[4] != MASK and access[2] in (1, 2, 4, 8)
    ]
    if not fit:
        return None
    _, _, length, physical, virtual = choice.choice(fit)

    def counts_as_hit(access):
        overlaps = access[3] < physical + length and physical < access[3] + access[2]
        if kind == "awatch":
            return overlaps
        return overlaps and access[1] & wanted == wanted

    order = range(bisect.bisect_left(access_steps, at) - 1, -1, -1) if back else range(
        bisect.bisect_left(access_steps, at), len(accesses)
    )
    hit = next((accesses[index][0] for index in order if counts_as_hit(accesses[index])), None)
    if hit is None:
        return None
    size = {1: "char", 2: "short", 4: "int", 8: "long"}[length]
    try:
        gdb_says(f"x/1xb {virtual:#x}")
    except gdb.error:
        return None  # Not mapped here.
    gdb.write(f"{kind} {virtual:#x}, {length} bytes, to {hit}\n")
    gdb.flush()
    gdb_says(f"{kind} *(unsigned {size} *){virtual:#x}")
    gdb_says("reverse-continue" if back else "continue")
    gdb_says("delete")
    return hit if back else hit + 1


MOTIONS_OF = [
    ("seek", 1, seek),
    ("stepi", 3, step),
    ("reverse-stepi", 4, step_back),
    ("continue", 2, lambda at: breakpoint(at, False)),
    ("reverse-continue", 2, lambda at: breakpoint(at, True)),
    ("conditional continue", 1, lambda at: condition(at, False)),
    ("conditional reverse-continue", 1, lambda at: condition(at, True)),
    ("watch", 1, lambda at: watch(at, False, "watch")),
    ("reverse watch", 2, lambda at: watch(at, True, "watch")),
    ("rwatch", 1, lambda at: watch(at, False, "rwatch")),
    ("reverse rwatch", 1, lambda at: watch(at, True, "rwatch")),
    ("awatch", 1, lambda at: watch(at, False, "awatch")),
    ("reverse awatch", 1, lambda at: watch(at, True, "awatch")),
]


def walk():
    for setting in ["pagination off", "confirm off", "height 0", "remotetimeout 60"]:
        gdb.execute("set " + setting)
    gdb_says("target remote " + os.environ["ORACLE_SOCKET"])
    at = seek(0)
    check(at, "first seek")
    gdb.write("ready\n")
    gdb.flush()
    weights = [weight for _, weight, _ in MOTIONS_OF]
    times = []
    done = 0
    while done < MOTIONS:
        name, _, motion = choice.choices(MOTIONS_OF, weights)[0]
        gdb.write(f"{done} then {name} from {at}\n")
        gdb.flush()
        started = time.monotonic()
        expected = motion(at)
        if expected is None:
            continue
        times.append((time.monotonic() - started, name))
        check(expected, f"motion {done}, {name} from {at}")
        at = expected
        counts[name] = counts.get(name, 0) + 1
        done += 1
        gdb.write(f"{done} {name} {at} {times[-1][0] * 1000:.1f} ms\n")
        gdb.flush()
    gdb_says("detach")
    times.sort()
    worst, slowest = times[-1]
    middle = times[len(times) // 2][0]
    gdb.write(
        f"{done} motions equal the oracle's {last} instructions; p50 {middle * 1000:.1f} ms, "
        f"worst {worst * 1000:.1f} ms ({slowest}); "
        + ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        + "\n"
    )


walk()
