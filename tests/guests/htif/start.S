# A bare test program: adds numbers in a loop that is hot enough to be translated, prints a line
# through the host-target interface and ends with CODE, or with 99 when the sum is wrong.

    .globl _start, tohost, fromhost

_start:
    la s0, words
    li t0, 0
    li t1, 20000
add:
    # The counter is a neighbour of `tohost`.
    ld t2, 16(s0)
    add t2, t2, t0
    sd t2, 16(s0)
    addi t0, t0, 1
    bne t0, t1, add
    li t3, 199990000
    li gp, 99
    bne t2, t3, end

    # write(1, text, 6), as a call through memory
    la t0, call
    sd t0, 0(s0)
answer:
    ld t1, 8(s0)
    beqz t1, answer
    sd zero, 8(s0)
    ld t2, call
    li t3, 6
    bne t2, t3, end
    ld t1, 0(s0)
    bnez t1, end

    # and one character by itself
    li t0, 0x010100000000000a
    sd t0, 0(s0)
    li gp, CODE
end:
    slli gp, gp, 1
    ori gp, gp, 1
again:
    # In two halves, as existing test programs do it.
    sw gp, 0(s0)
    sw zero, 4(s0)
    j again

    .data
    .balign 64
words:
tohost:
    .dword 0
fromhost:
    .dword 0
counter:
    .dword 0
call:
    .dword 64, 1, text, 6
text:
    .ascii "tested"
