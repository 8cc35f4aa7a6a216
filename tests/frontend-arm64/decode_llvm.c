/*
 * The decoder against LLVM's disassembler: both must take the same words for instructions, but for the
 * differences that decode_llvm.def explains. LLVM is used at run time only, if libLLVM is installed.
 *
 * Normally words are sampled: around every row of a64.isa, and at random. With DECODE_SWEEP=PART/PARTS in the
 * environment, every word of that part of the 2^32 is compared.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xemu/insn.h>

enum { WORDS_PER_ROW = 2000, RANDOM_WORDS = 1000000, SHOWN = 20 };

/* Armv8.9 with all its options is Armv9.4 without SVE and SME. */
static const char features[] =
    "+v8.9a,+aes,+altnzcv,+bf16,+brbe,+bti,+ccdp,+ccpp,+chk,+clrbhb,+complxnum,+crc,+cssc,+d128,+dit,+"
    "dotprod,"
    "+el2vmsa,+el3,+flagm,+fp-armv8,+fp16fml,+fptoint,+fullfp16,+gcs,+hbc,+i8mm,+ite,+jsconv,+lor,+ls64,+lse,"
    "+lse128,+mops,+mte,+neon,+nmi,+pauth,+predres,+rand,+ras,+rasv2,+rcpc,+rcpc-immo,+rcpc3,+rdm,+sb,+sha2,"
    "+sha3,+sm4,+spe,+specres2,+ssbs,+the,+tracev8.4,+trbe,+wfxt,+xs";

/* From llvm-c/Disassembler.h. */
static void *(*create)(const char *triple, const char *cpu, const char *features, void *info, int tag,
                       void *op_info, void *lookup);
static size_t (*disassemble)(void *dc, uint8_t *bytes, uint64_t size, uint64_t pc, char *text,
                             size_t text_size);

static void *open_llvm(void)
{
    void *lib = dlopen("libLLVM.so.22.1", RTLD_NOW);
    if (!lib)
        return NULL;
    static const char *const init[] = {"LLVMInitializeAArch64TargetInfo", "LLVMInitializeAArch64TargetMC",
                                       "LLVMInitializeAArch64Disassembler"};
    for (int i = 0; i < 3; i++)
        ((void (*)(void))dlsym(lib, init[i]))();
    create = (void *(*)(const char *, const char *, const char *, void *, int, void *, void *))dlsym(
        lib, "LLVMCreateDisasmCPUFeatures");
    disassemble =
        (size_t(*)(void *, uint8_t *, uint64_t, uint64_t, char *, size_t))dlsym(lib, "LLVMDisasmInstruction");
    return create("aarch64-linux-gnu", "", features, NULL, 0, NULL, NULL);
}

static bool matches(const char *pattern, uint32_t word)
{
    int bit = 31;
    for (const char *p = pattern; *p; p++) {
        if (*p == ' ')
            continue;
        if (*p != '.' && (uint32_t)(*p - '0') != (word >> bit & 1))
            return false;
        bit--;
    }
    cr_assert_eq(bit, -1, "'%s' has %d bits", pattern, 31 - bit);
    return true;
}

static bool is_explained(uint32_t word, bool by_llvm)
{
    uint32_t rt = word & 31, rn = word >> 5 & 31, rt2 = word >> 10 & 31, rs = word >> 16 & 31;
#define ONLY_LLVM(PATTERN, CONDITION, WHY)                \
    if (by_llvm && matches(PATTERN, word) && (CONDITION)) \
        return true;
#define ONLY_XEMU(PATTERN, CONDITION, WHY)                 \
    if (!by_llvm && matches(PATTERN, word) && (CONDITION)) \
        return true;
#include "decode_llvm.def"
    return false;
}

static int differences;

static void compare(void *llvm, uint32_t word)
{
    struct a64_insn in;
    char text[256];
    a64_decode(word, 0, &in);
    bool by_llvm = disassemble(llvm, (uint8_t *)&word, sizeof word, 0, text, sizeof text) == sizeof word;
    bool by_xemu = in.op != A64_UNALLOCATED;
    if (by_llvm == by_xemu || is_explained(word, by_llvm))
        return;
    if (differences++ < SHOWN)
        cr_expect_fail("%08x is %s for xemu, for LLVM %s", word, a64_name(in.op), by_llvm ? text : "nothing");
}

static uint32_t next_random(void)
{
    static uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

/* Bits that are random, mostly zeros, mostly ones. */
static uint32_t random_bits(int kind)
{
    uint32_t bits = next_random();
    return kind % 3 == 0 ? bits : kind % 3 == 1 ? bits & next_random() : bits | next_random();
}

static void sample(void *llvm)
{
    static const struct {
        uint32_t mask, value;
    } rows[] = {
#define A64_BITS(NAME, MASK, VALUE) {MASK, VALUE},
#include "a64_rows.inc"
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int k = 0; k < WORDS_PER_ROW; k++) {
            uint32_t word = rows[i].value | (random_bits(k) & ~rows[i].mask);
            uint32_t flip = k & 4 ? 1u << (next_random() & 31) : 0; /* to its neighbours, allocated or not */
            compare(llvm, word ^ flip);
        }
    for (int k = 0; k < RANDOM_WORDS; k++)
        compare(llvm, next_random());
}

static void sweep(void *llvm, const char *what)
{
    uint64_t part = 0, parts = 1;
    cr_assert_eq(sscanf(what, "%lu/%lu", &part, &parts), 2);
    uint64_t from = (part << 32) / parts, to = ((part + 1) << 32) / parts;
    for (uint64_t word = from; word < to; word++) {
        if (!(word & 0x0fffffff))
            fprintf(stderr, "decode_llvm %s: at %08lx, %d differences\n", what, word, differences);
        compare(llvm, (uint32_t)word);
    }
}

Test(decode, takes_the_same_words_for_instructions_as_llvm)
{
    void *llvm = open_llvm();
    if (!llvm)
        cr_skip_test("libLLVM.so.22.1 is not installed");
    const char *what = getenv("DECODE_SWEEP");
    if (what)
        sweep(llvm, what);
    else
        sample(llvm);
    cr_assert_eq(differences, 0, "%d words", differences);
}
