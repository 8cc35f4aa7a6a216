/* A byte-code interpreter with computed goto: indirect branches that are hard to predict. */
#include "kernel.h"

enum op {
    OP_PUSH,
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_XOR,
    OP_DUP,
    OP_SWAP,
    OP_LOAD,
    OP_STORE,
    OP_DEC,
    OP_JNZ,
    OP_HALT
};

/* for (n = argument; n; n--) a = (a * 31 + n) ^ b, b = b - a; then a + b. Variables: 0 is n, 1 is a, 2 is b.
 */
static const uint8_t program[] = {
    OP_LOAD, 1,        OP_PUSH, 31,      OP_MUL, OP_LOAD, 0,      OP_ADD,   OP_LOAD, 2,      OP_XOR,
    OP_DUP,  OP_STORE, 1,       OP_LOAD, 2,      OP_SWAP, OP_SUB, OP_STORE, 2,       OP_DEC, 0,
    OP_JNZ,  0,        0,       OP_LOAD, 1,      OP_LOAD, 2,      OP_ADD,   OP_HALT,
};

static uint64_t run(uint64_t n)
{
    static void *const labels[] = {&&push, &&add,  &&sub,   &&mul, &&xor, &&dup,
                                   &&swap, &&load, &&store, &&dec, &&jnz, &&halt};
    uint64_t stack[16] = {0}, variables[3] = {n, 1, 2}, *top = stack;
    const uint8_t *pc = program;
#define NEXT goto *labels[*pc++]
    NEXT;
push:
    *++top = *pc++;
    NEXT;
add:
    top--;
    top[0] += top[1];
    NEXT;
sub:
    top--;
    top[0] -= top[1];
    NEXT;
mul:
    top--;
    top[0] *= top[1];
    NEXT;
    xor : top--;
    top[0] ^= top[1];
    NEXT;
dup:
    top[1] = top[0];
    top++;
    NEXT;
swap : {
    uint64_t below = top[-1];
    top[-1] = top[0];
    top[0] = below;
}
    NEXT;
load:
    *++top = variables[*pc++];
    NEXT;
store:
    variables[*pc++] = *top--;
    NEXT;
dec:
    variables[*pc++]--;
    NEXT;
jnz:
    pc = variables[pc[0]] ? program + pc[1] : pc + 2;
    NEXT;
halt:
    return *top;
}

int main(int argc, char **argv)
{
    uint64_t sum = 0;
    for (long round = kernel_count(argc, argv, 20); round > 0; round--)
        sum = kernel_mix(sum, run(1000000 + (uint64_t)round));
    return kernel_done(sum);
}
