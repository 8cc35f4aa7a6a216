/* The passes over a block of IR, each in a file of its own. */
#ifndef JIT_PASSES_H
#define JIT_PASSES_H

#include <xemu/ir.h>

#include <string.h>

void pass_forward(struct ir_block *block);

#endif
