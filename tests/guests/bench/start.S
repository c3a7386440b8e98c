# Machine mode from the reset vector: floating point on, a stack, then the kernel; its sum decides
# how the machine powers off.
    .section .text.start
    .globl _start
_start:
    csrr t0, mhartid
    bnez t0, park
    li t0, 0x2000           # mstatus.FS = initial
    csrs mstatus, t0
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    la sp, stack_top
    call bench
park:
    wfi
    j park
