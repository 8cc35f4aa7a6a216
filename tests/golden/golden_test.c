/* What becomes of one instruction of each row of a64.isa: its IR, and the host's code at level 3, as text beside this
 * file. A change of either shows here; `make golden` writes the files anew, and their diff is to be read. */
#include "../../jit/passes.h"

#include <xemu/insn.h>
#include <xemu/jit.h>

#include <capstone/capstone.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CODE_BYTES = 1 << 16, BLOCK_AT = 4096, MAX_SITES = 8192, MAX_LINKS = 64, PAGE = 4096, TRIES = 1 << 14, LEVEL = 3 };
#define GUEST_PC 0x400000001000u /* high, and free in sanitizers' builds, too */

static const struct row {
    const char *name;
    uint32_t mask, value;
} rows[] = {
#define A64_BITS(NAME, MASK, VALUE) [A64_##NAME] = {#NAME, MASK, VALUE},
#include "a64_rows.inc"
};

static uint8_t code[CODE_BYTES] __attribute__((aligned(64)));
static struct fault_site sites[MAX_SITES];
static struct code_link links[MAX_LINKS];
static struct code_reloc relocs[MAX_SITES];
static struct ir_block block;
static uint32_t *guest;

/* A word of the row, always the same; false: none was found. */
static bool find_word(const struct row *row, enum a64_op op, uint32_t *word)
{
    unsigned state = 1;
    for (const char *c = row->name; *c; c++)
        state = state * 31 + (unsigned char)*c;
    for (unsigned i = 0; i < TRIES; i++) {
        struct a64_insn in;
        *word = row->value | (((uint32_t)rand_r(&state) << 16 ^ (uint32_t)rand_r(&state)) & ~row->mask);
        a64_decode(*word, GUEST_PC, &in);
        if (in.op == op)
            return true;
    }
    return false;
}

static void print_ir(FILE *out)
{
    pass_conditions(&block);
    pass_flags(&block);
    pass_fold(&block);
    ir_print(out, &block);
}

/* Addresses count from the buffer's start, where the stubs are. Data behind the code, which LEA RDX points to, is left
 * out. */
static void print_code(FILE *out, csh capstone, const uint8_t *start, const uint8_t *end)
{
    cs_insn *insns;
    size_t count = cs_disasm(capstone, start, (size_t)(end - start), (uint64_t)(start - code), 0, &insns);
    uint64_t data = UINT64_MAX;
    for (size_t i = 0; i < count && insns[i].address < data; i++) {
        unsigned distance;
        if (sscanf(insns[i].op_str, "rdx, [rip + %x]", &distance) == 1 && !strcmp(insns[i].mnemonic, "lea") &&
            insns[i].address + insns[i].size + distance < data)
            data = insns[i].address + insns[i].size + distance;
        fprintf(out, "  %s %s\n", insns[i].mnemonic, insns[i].op_str);
    }
    cs_free(insns, count);
}

static void compile(FILE *out, csh capstone)
{
    struct code_buffer buffer = {.start = code, .at = code, .end = code + CODE_BYTES, .sites = sites,
                                 .site_capacity = MAX_SITES, .links = links, .link_count = 1,
                                 .link_capacity = MAX_LINKS, .relocs = relocs, .reloc_capacity = MAX_SITES};
    backend_stubs(&buffer);
    cr_assert_leq(buffer.at, code + BLOCK_AT);
    buffer.at = code + BLOCK_AT; /* so that longer stubs change no row */
    const uint8_t *start = backend_compile(&buffer, &block);
    cr_assert_not_null(start);
    print_code(out, capstone, start, buffer.at);
}

/* The two files: NAME.txt beside this one. */
static void compare(const char *name, const char *text, size_t size)
{
    char path[100], *wanted = calloc(1, size + 2);
    snprintf(path, sizeof path, "tests/golden/%s.txt", name);
    FILE *file = fopen(path, getenv("GOLDEN_WRITE") ? "w" : "r");
    cr_assert_not_null(file, "%s", path);
    if (getenv("GOLDEN_WRITE")) {
        cr_assert_eq(fwrite(text, 1, size, file), size);
    } else {
        size_t got = fread(wanted, 1, size + 1, file), line = 1, at = 0;
        for (; at < got && at < size && wanted[at] == text[at]; at++)
            line += text[at] == '\n';
        cr_assert(at == got && at == size, "%s, line %zu is another now; see what changed with `make golden` and git diff",
                  path, line);
    }
    fclose(file);
    free(wanted);
}

Test(golden, each_row_has_the_ir_and_the_code_that_it_had)
{
    char *ir_text, *code_text;
    size_t ir_size, code_size;
    FILE *ir = open_memstream(&ir_text, &ir_size), *x86 = open_memstream(&code_text, &code_size);
    csh capstone;
    guest = mmap((void *)(uintptr_t)GUEST_PC, PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    cr_assert_eq((uintptr_t)guest, GUEST_PC);
    cr_assert_eq(cs_open(CS_ARCH_X86, CS_MODE_64, &capstone), CS_ERR_OK);
    backend_init(LEVEL);
    fprintf(x86, "; level %d, host %#lx\n", LEVEL, backend_host_key());
    for (unsigned op = 0; op < sizeof rows / sizeof *rows; op++) {
        if (!rows[op].name || !find_word(&rows[op], (enum a64_op)op, &guest[0]))
            continue;
        lift_block(&block, GUEST_PC, 1, NULL);
        fprintf(ir, "%s %08x\n", rows[op].name, guest[0]);
        fprintf(x86, "%s %08x\n", rows[op].name, guest[0]);
        print_ir(ir);
        compile(x86, capstone);
    }
    fclose(ir);
    fclose(x86);
    compare("ir", ir_text, ir_size);
    char header[64];
    FILE *file = fopen("tests/golden/x86.txt", "r");
    bool same_host = file && fgets(header, sizeof header, file) && !strncmp(header, code_text, strlen(header));
    if (file)
        fclose(file);
    if (backend_best_level() >= LEVEL && (same_host || getenv("GOLDEN_WRITE")))
        compare("x86", code_text, code_size);
    else
        cr_log_warn("the host's code is another on this host");
    cs_close(&capstone);
    free(ir_text);
    free(code_text);
}
