/* The decoded form of one A64 instruction, and what the table of encodings says about it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "a64_insn.h" /* made by isagen from frontend-arm64/a64.isa: enum a64_op, struct a64_insn */

/*
 * Decodes one word that stands at guest address pc. Total: every word gives a filled struct; op is
 * A64_UNALLOCATED where the table has no row for the word. Fields that the row doesn't have are 0.
 */
void a64_decode(uint32_t word, uint64_t pc, struct a64_insn *in);

/* The row of a word, also where its feature isn't on. */
enum a64_op a64_row_of(uint32_t word);

/* The row's name, such as "ADD_I", and the feature that owns it, such as "FEAT_LSE". Never NULL. */
const char *a64_name(enum a64_op op);
const char *a64_feature(enum a64_op op);

/* From now on, rows of features that aren't on are unallocated, or the NOP that an unallocated hint is. At first all
 * are on. */
void a64_switch_rows(const bool *feature_on);

/* Does the table know the encoding while no meaning exists for it yet? */
bool a64_is_todo(enum a64_op op);

/* Loads and stores (Arm ARM C4.1.94). */
static inline bool a64_is_access(uint32_t word) { return (word >> 25 & 5) == 4; }

/* Does the operation come in 32 and 64 bits, by the field sf? */
bool a64_has_sf(enum a64_op op);
