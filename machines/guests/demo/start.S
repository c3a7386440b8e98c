# Entry and trap entry of the demo guest. Hart 0 works, the others sleep for good.

    .section .text.start, "ax"
    .globl _start
_start:
    csrr    t0, mhartid
    bnez    t0, park
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    la      sp, stack_top
    la      t0, bss_start
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       1b
2:  la      t0, trap_entry
    csrw    mtvec, t0
    call    main
park:
    csrw    mie, zero
1:  wfi
    j       1b

    .macro  each_caller_saved op
    \op     ra, 0(sp)
    \op     t0, 8(sp)
    \op     t1, 16(sp)
    \op     t2, 24(sp)
    \op     a0, 32(sp)
    \op     a1, 40(sp)
    \op     a2, 48(sp)
    \op     a3, 56(sp)
    \op     a4, 64(sp)
    \op     a5, 72(sp)
    \op     a6, 80(sp)
    \op     a7, 88(sp)
    \op     t3, 96(sp)
    \op     t4, 104(sp)
    \op     t5, 112(sp)
    \op     t6, 120(sp)
    .endm

    .text
    .align  2
    .globl  trap_entry
trap_entry:
    addi    sp, sp, -128
    each_caller_saved sd
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    call    trap
    csrw    mepc, a0
    each_caller_saved ld
    addi    sp, sp, 128
    mret
