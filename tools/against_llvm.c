/* Which words are instructions, and which ones: xemu's decoder for --cpu=max against LLVM's disassembler.
 *
 *   against_llvm every STEP PROCESSES [FROM TO]    every STEPth word; 1 0: all 2^32, by all processors
 *   against_llvm near                              words of each row of a64.isa and their neighbours, also
 *                                                  of the rows that no CPU of xemu has
 *
 * Differences are classes by xemu's row, LLVM's mnemonic and what tests/vectors/against_llvm.def has for a
 * reason; each is shown with the number of its words and an example. Ends with 1 if one has no reason, and
 * with 77 if there is no LLVM. */
#include <xemu/features.h>
#include <xemu/insn.h>

#include <ctype.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pattern.inc"

enum {
    OLDEST_LLVM = 22, /* older ones lack instructions */
    NEWEST_LLVM = 40,
    NO_LLVM = 77,
    PER_ROW = 2000,
    CHUNK = 1 << 22, /* words that a process takes at a time */
    CLASSES = 4096,
    PROCESSES = 64,
    MNEMONIC = 24,
};

/* What --cpu=max has, by LLVM's names. Armv8.9 with its options is Armv9.4 without SVE and SME. */
static const char llvm_features[] =
    "+v8.9a,+aes,+altnzcv,+bf16,+bti,+ccdp,+ccpp,+chk,+clrbhb,+complxnum,+crc,+cssc,+dit,+dotprod,+el2vmsa,"
    "+el3,+flagm,+fp-armv8,+fp16fml,+fptoint,+fullfp16,+hbc,+i8mm,+jsconv,+lor,+lse,+lse128,+mops,+neon,"
    "+pauth,+rand,+ras,+rcpc,+rcpc-immo,+rcpc3,+rdm,+sb,+sha2,+sha3,+sm4,+ssbs,+wfxt,+xs";
/* And what is in a64.isa beside. */
static const char llvm_more_features[] = ",+d128,+gcs,+ls64,+mte,+predres,+specres2,+spe,+the,+tracev8.4";

/* From llvm-c/Disassembler.h. LLVM's library is only used if it is there, and xemu is built without its
 * headers. Printing included, a word takes 0.2 us. */
static size_t (*disassemble)(void *context, uint8_t *bytes, uint64_t size, uint64_t pc, char *text,
                             size_t text_size);
static void *context;

/* Of a64.isa, those without a meaning too. */
static bool all_rows;

static bool open_llvm(void)
{
    static const char *const init[] = {"LLVMInitializeAArch64TargetInfo", "LLVMInitializeAArch64TargetMC",
                                       "LLVMInitializeAArch64Disassembler"};
    void *lib = NULL;
    for (int version = NEWEST_LLVM; !lib && version >= OLDEST_LLVM; version--) {
        char name[32];
        snprintf(name, sizeof name, "libLLVM.so.%d.1", version);
        lib = dlopen(name, RTLD_NOW);
    }
    if (!lib)
        return false;
    for (int i = 0; i < 3; i++)
        ((void (*)(void))dlsym(lib, init[i]))();
    void *(*create)(const char *, const char *, const char *, void *, int, void *, void *);
    *(void **)&create = dlsym(lib, "LLVMCreateDisasmCPUFeatures");
    *(void **)&disassemble = dlsym(lib, "LLVMDisasmInstruction");
    char features[1024];
    snprintf(features, sizeof features, "%s%s", llvm_features, all_rows ? llvm_more_features : "");
    context = create("aarch64-linux-gnu", "", features, NULL, 0, NULL, NULL);
    return context;
}

/* What a process has found. */
static struct tally {
    uint64_t words, both, unexplained;
    unsigned classes;
    struct class {
        const char *why; /* null: unexplained */
        enum a64_op row;
        uint32_t example;
        uint64_t count;
        char mnemonic[MNEMONIC], text[72];
    } class[CLASSES];
} *tally;

/* Null: none. */
static const char *reason_for(uint32_t word, enum a64_op row, bool by_llvm, const char *text)
{
    uint32_t rt = word & 31, rn = word >> 5 & 31, rt2 = word >> 10 & 31, rs = word >> 16 & 31;
#define ONLY_LLVM(pattern, condition, why)                \
    if (by_llvm && matches(pattern, word) && (condition)) \
        return why;
#define ONLY_XEMU(pattern, condition, why)                 \
    if (!by_llvm && matches(pattern, word) && (condition)) \
        return why;
#define NOT_IN_MAX(feature, why)                       \
    if (by_llvm && !strcmp(feature, a64_feature(row))) \
        return why;
#define NAMED(row, mnemonics)
#include "../tests/vectors/against_llvm.def"
#undef ONLY_LLVM
#undef ONLY_XEMU
#undef NOT_IN_MAX
#undef NAMED
    return NULL;
}

/* LLVM's other names for a row: of aliases, and where the row's name isn't the manual's. */
static const char *const named[A64_OP_COUNT] = {
#define ONLY_LLVM(pattern, condition, why)
#define ONLY_XEMU(pattern, condition, why)
#define NOT_IN_MAX(feature, why)
#define NAMED(row, mnemonics) [A64_##row] = mnemonics,
#include "../tests/vectors/against_llvm.def"
};

/* The b of "\tb.eq\t#8". */
static void read_mnemonic(const char *text, char mnemonic[MNEMONIC])
{
    text += strspn(text, " \t");
    snprintf(mnemonic, MNEMONIC, "%.*s", (int)strcspn(text, " \t."), text);
}

/* Whether the list, words between blanks, has the word, or its beginning and a *. */
static bool has_word(const char *list, const char *word)
{
    while (*(list += strspn(list, " "))) {
        size_t length = strcspn(list, " ");
        if (list[length - 1] == '*' ? !strncmp(list, word, length - 1)
                                    : !strncmp(list, word, length) && !word[length])
            return true;
        list += length;
    }
    return !*word;
}

/* A row's name is the manual's up to '_', without what a mnemonic says of the upper half, order and size. */
static bool is_name_of(const char *mnemonic, enum a64_op row)
{
    static const char suffixes[] = "2 b h w x t a l al ab ah lb lh alb alh";
    const char *name = a64_name(row);
    size_t i = 0;
    while (mnemonic[i] && tolower((unsigned char)name[i]) == mnemonic[i])
        i++;
    bool begins = !name[i] || name[i] == '_';
    return (begins && has_word(suffixes, mnemonic + i)) || (named[row] && has_word(named[row], mnemonic));
}

static bool is_same_class(const struct class *a, const struct class *b)
{
    return a->row == b->row && a->why == b->why && !strcmp(a->mnemonic, b->mnemonic);
}

static void add_to_class(const struct class *found)
{
    unsigned i = 0;
    while (i < tally->classes && !is_same_class(&tally->class[i], found))
        i++;
    if (i == CLASSES) {
        fprintf(stderr, "against_llvm: more than %d classes\n", CLASSES);
        _exit(2);
    }
    if (i < tally->classes)
        tally->class[i].count += found->count;
    else
        tally->class[tally->classes++] = *found;
}

static void compare(uint32_t word)
{
    struct a64_insn in;
    char text[256] = "";
    a64_decode(word, 0, &in);
    bool by_llvm = disassemble(context, (uint8_t *)&word, sizeof word, 0, text, sizeof text) == sizeof word;
    bool by_xemu = in.op != A64_UNALLOCATED && (all_rows || !a64_is_todo(in.op));
    struct class found = {
        .row = by_xemu ? (enum a64_op)in.op : a64_row_of(word), .example = word, .count = 1};
    tally->words++;
    tally->both += by_llvm && by_xemu;
    snprintf(found.mnemonic, sizeof found.mnemonic, "nothing");
    if (by_llvm)
        read_mnemonic(text, found.mnemonic);
    if (by_llvm == by_xemu && (!by_llvm || is_name_of(found.mnemonic, found.row)))
        return;
    if (by_llvm != by_xemu)
        found.why = reason_for(word, found.row, by_llvm, text);
    tally->unexplained += !found.why;
    snprintf(found.text, sizeof found.text, "%.*s", (int)sizeof found.text - 1, by_llvm ? text : "");
    add_to_class(&found);
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

static void compare_near_rows(void)
{
    static const struct {
        uint32_t mask, value;
    } rows[] = {
#define A64_BITS(NAME, MASK, VALUE) {MASK, VALUE},
#include "a64_rows.inc"
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int k = 0; k < PER_ROW; k++) {
            uint32_t word = rows[i].value | (random_bits(k) & ~rows[i].mask);
            uint32_t flip = k & 4 ? 1u << (next_random() & 31) : 0;
            compare(word ^ flip);
        }
}

/* The chunks part, part + parts ... of the words from, from + step ... below to. */
static void compare_part(unsigned part, unsigned parts, uint64_t step, uint64_t from, uint64_t to)
{
    for (uint64_t n = part; from + n * CHUNK * step < to; n += parts) {
        uint64_t first = from + n * CHUNK * step, end = first + CHUNK * step;
        for (uint64_t word = first; word < end && word < to; word += step)
            compare((uint32_t)word);
        if (step == 1)
            fprintf(stderr, "%08" PRIx64 "%s", first, (n + parts) / parts % 8 ? " " : "\n");
    }
}

static bool compare_every(unsigned parts, uint64_t step, uint64_t from, uint64_t to)
{
    struct tally *tallies = tally;
    bool failed = false;
    for (unsigned part = 0; part < parts; part++) {
        switch (fork()) {
        case -1:
            failed = true;
            break;
        case 0:
            tally = &tallies[part + 1];
            compare_part(part, parts, step, from, to);
            _exit(0);
        }
    }
    for (int status; wait(&status) > 0;)
        failed |= status != 0;
    for (unsigned part = 1; part <= parts; part++) {
        const struct tally *t = &tallies[part];
        tally->words += t->words, tally->both += t->both, tally->unexplained += t->unexplained;
        for (unsigned i = 0; i < t->classes; i++)
            add_to_class(&t->class[i]);
    }
    return !failed;
}

/* Reasons together, the unexplained last; what is most words first. */
static int by_reason_and_count(const void *a, const void *b)
{
    const struct class *x = a, *y = b;
    if (x->why != y->why)
        return !x->why || (y->why && x->why > y->why) ? 1 : -1;
    return (x->count < y->count) - (x->count > y->count);
}

static void report(void)
{
    const char *shown = NULL;
    qsort(tally->class, tally->classes, sizeof *tally->class, by_reason_and_count);
    for (unsigned i = 0; i < tally->classes; i++) {
        const struct class *class = &tally->class[i];
        const char *why = class->why ? class->why : "not explained";
        if (shown != why)
            printf("%s\n", why);
        shown = why;
        printf("%12" PRIu64 "  %s, for LLVM %s: %08x%s\n", class->count, a64_name(class->row),
               class->mnemonic, class->example, class->text);
    }
    printf("%" PRIu64 " words, %" PRIu64 " instructions for both, %" PRIu64 " differences not explained\n",
           tally->words, tally->both, tally->unexplained);
}

static bool run(char **args, int count)
{
    if (all_rows) {
        compare_near_rows();
        return true;
    }
    uint64_t step = strtoul(args[0], NULL, 0), parts = strtoul(args[1], NULL, 0), from = 0, to = 1ull << 32;
    parts = parts ? parts : (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    if (count == 4) {
        from = strtoul(args[2], NULL, 16);
        to = strtoul(args[3], NULL, 16);
    }
    return compare_every(parts < PROCESSES ? (unsigned)parts : PROCESSES, step ? step : 1, from, to);
}

int main(int argc, char **argv)
{
    all_rows = argc == 2 && !strcmp(argv[1], "near");
    if (!all_rows && !((argc == 4 || argc == 6) && !strcmp(argv[1], "every"))) {
        fprintf(stderr, "usage: against_llvm every STEP PROCESSES [FROM TO]\n       against_llvm near\n");
        return 2;
    }
    if (!open_llvm()) {
        fprintf(stderr, "against_llvm: libLLVM.so.%d.1 or newer is not installed\n", OLDEST_LLVM);
        return NO_LLVM;
    }
    if (!all_rows)
        cpu_select("max");
    tally = mmap(NULL, (PROCESSES + 1) * sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                 -1, 0);
    if (tally == MAP_FAILED) {
        perror("against_llvm");
        return 2;
    }
    if (!run(argv + 2, argc - 2))
        return 2;
    report();
    return tally->unexplained != 0;
}
