/* The emitter: what it writes, capstone reads as the instruction that was asked for. */
#include "../../backend-x86_64/emit.h"

#include <capstone/capstone.h>
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names64[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const names32[16] = {"eax", "ecx", "edx",  "ebx",  "esp",  "ebp",  "esi",  "edi",
                                        "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"};
static const char *const names16[16] = {"ax",  "cx",  "dx",   "bx",   "sp",   "bp",   "si",   "di",
                                        "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"};
static const char *const names8[16] = {"al",  "cl",  "dl",   "bl",   "spl",  "bpl",  "sil",  "dil",
                                       "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"};

static const char *name_of(unsigned size, unsigned reg)
{
    return size == 64 ? names64[reg] : size == 32 ? names32[reg] : size == 16 ? names16[reg] : names8[reg];
}

/* --- the table's rows, with what is to be known of them beside ----------------------------------------- */

/* One general row: its mnemonic (null: the name), sizes of reg and r/m (0: the operation's width), which widths and
 * which forms there are. Rows whose r/m and reg have a size of their own have one width. */
struct expected {
    const char *mnemonic;
    unsigned reg_size, rm_size;
    bool memory_only, only64;
};

static const struct expected expected[X86_OP_COUNT] = {
    [X86_LEA] = {.memory_only = true},
    [X86_MOVSXD] = {.rm_size = 32, .only64 = true},
    [X86_MOVZX8] = {"movzx", 0, 8},
    [X86_MOVZX16] = {"movzx", 0, 16},
    [X86_MOVSX8] = {"movsx", 0, 8},
    [X86_MOVSX16] = {"movsx", 0, 16},
    [X86_CRC32_8] = {"crc32", 0, 8},
    [X86_STORE] = {"mov"},
    [X86_STORE16] = {"mov", 16, 16},
    [X86_STORE8] = {"mov", 8, 8},
    [X86_XCHG16] = {"xchg", 16, 16},
    [X86_XCHG8] = {"xchg", 8, 8},
    [X86_XADD16] = {"xadd", 16, 16},
    [X86_XADD8] = {"xadd", 8, 8},
    [X86_CMPXCHG16] = {"cmpxchg", 16, 16},
    [X86_CMPXCHG8] = {"cmpxchg", 8, 8},
    [X86_AND_TO] = {"and"},
    [X86_OR_TO] = {"or"},
    [X86_XOR_TO] = {"xor"},
};

static const struct {
    const char *name;
    bool rm_first;
} rows[] = {
#define X86_RM(name, prefix, map, opcode) {#name, false},
#define X86_MR(name, prefix, map, opcode) {#name, true},
#define X86_V(name, pp, map, opcode, w, needs, commutes)
#include "../../backend-x86_64/x86.def"
#undef X86_RM
#undef X86_MR
#undef X86_V
};
enum { ROWS = sizeof rows / sizeof *rows };

/* One vector row: its mnemonic (null: the name), that of the EVEX encoding where it differs, and its operands in the
 * order of the text (null: RFM): R reg, F first (VEX and EVEX only), M r/m, I an immediate; g and G: reg is a general
 * register, of 32 bits and of 64; e and E: r/m is one, or memory. `bytes`: of the memory (0: 4 for ...ss, 8 for ...sd,
 * 16 for all others). */
struct expected_vector {
    const char *mnemonic, *operands;
    unsigned bytes;
    const char *evex;
};

static const struct expected_vector expected_vectors[X86_VOP_COUNT] = {
    [V_MOVAPS] = {NULL, "RM"},
    [V_MOVUPS] = {NULL, "RM"},
    [V_STOREUPS] = {"movups", "MR"},
    [V_MOVQ] = {NULL, "RM", 8},
    [V_MOVD_TO_X] = {"movd", "Re", 4},
    [V_MOVQ_TO_X] = {"movq", "RE", 8},
    [V_MOVD_FROM_X] = {"movd", "eR", 4},
    [V_MOVQ_FROM_X] = {"movq", "ER", 8},
    [V_STOREQ] = {"movq", "MR", 8},
    [V_PINSRB] = {NULL, "RFeI", 1},
    [V_PINSRW] = {NULL, "RFeI", 2},
    [V_PINSRD] = {NULL, "RFeI", 4},
    [V_PINSRQ] = {NULL, "RFEI", 8},
    [V_PEXTRB] = {NULL, "eRI", 1},
    [V_PEXTRW] = {NULL, "eRI", 2},
    [V_PEXTRD] = {NULL, "eRI", 4},
    [V_PEXTRQ] = {NULL, "ERI", 8},
    [V_INSERTPS] = {NULL, "RFMI", 4},
    [V_PAND] = {.evex = "pandd"},
    [V_PANDN] = {.evex = "pandnd"},
    [V_POR] = {.evex = "pord"},
    [V_PXOR] = {.evex = "pxord"},
    [V_PTERNLOG] = {"pternlogd", "RFMI"},
    [V_PTEST] = {NULL, "RM"},
    [V_GF2P8AFFINE] = {"gf2p8affineqb", "RFMI"},
    [V_GF2P8AFFINEINV] = {"gf2p8affineinvqb", "RFMI"},
    [V_PABSB] = {NULL, "RM"},
    [V_PABSW] = {NULL, "RM"},
    [V_PABSD] = {NULL, "RM"},
    [V_PABSQ] = {NULL, "RM"},
    [V_POPCNTB] = {NULL, "RM"},
    [V_PLZCNTD] = {NULL, "RM"},
    [V_PLZCNTQ] = {NULL, "RM"},
    [V_PSHUFD] = {NULL, "RMI"},
    [V_PSHUFLW] = {NULL, "RMI"},
    [V_SHUFPS] = {NULL, "RFMI"},
    [V_PALIGNR] = {NULL, "RFMI"},
    [V_PMOVSXBW] = {NULL, "RM", 8},
    [V_PMOVSXWD] = {NULL, "RM", 8},
    [V_PMOVSXDQ] = {NULL, "RM", 8},
    [V_PMOVZXBW] = {NULL, "RM", 8},
    [V_PMOVZXWD] = {NULL, "RM", 8},
    [V_PMOVZXDQ] = {NULL, "RM", 8},
    [V_PBROADCASTB] = {NULL, "RM", 1},
    [V_PBROADCASTW] = {NULL, "RM", 2},
    [V_PBROADCASTD] = {NULL, "RM", 4},
    [V_PBROADCASTQ] = {NULL, "RM", 8},
    [V_SQRTPS] = {NULL, "RM"},
    [V_SQRTPD] = {NULL, "RM"},
    [V_CMPSS] = {NULL, "RFMI"},
    [V_CMPSD] = {NULL, "RFMI"},
    [V_CMPPS] = {NULL, "RFMI"},
    [V_CMPPD] = {NULL, "RFMI"},
    [V_ROUNDSS] = {NULL, "RFMI", 0, "rndscaless"},
    [V_ROUNDSD] = {NULL, "RFMI", 0, "rndscalesd"},
    [V_ROUNDPS] = {NULL, "RMI", 0, "rndscaleps"},
    [V_ROUNDPD] = {NULL, "RMI", 0, "rndscalepd"},
#define FMA(name, text) [V_##name##SS] = {text "ss"}, [V_##name##SD] = {text "sd"}, [V_##name##PS] = {text "ps"}, [V_##name##PD] = {text "pd"}
    FMA(FMADD, "fmadd231"),
    FMA(FMSUB, "fmsub231"),
    FMA(FNMADD, "fnmadd231"),
    FMA(FNMSUB, "fnmsub231"),
#undef FMA
    [V_UCOMISS] = {NULL, "RM"},
    [V_UCOMISD] = {NULL, "RM"},
    [V_COMISS] = {NULL, "RM"},
    [V_COMISD] = {NULL, "RM"},
    [V_CVTSS2SD] = {NULL, NULL, 4},
    [V_CVTSD2SS] = {NULL, NULL, 8},
    [V_CVTPS2PD] = {NULL, "RM", 8},
    [V_CVTPD2PS] = {NULL, "RM"},
    [V_CVTPH2PS] = {NULL, "RM", 8},
    [V_CVTPS2PH] = {NULL, "MRI", 8},
    [V_CVTUDQ2PS] = {NULL, "RM"},
    [V_CVTTPS2UDQ] = {NULL, "RM"},
    [V_CVTUQQ2PD] = {NULL, "RM"},
    [V_CVTTPD2UQQ] = {NULL, "RM"},
    [V_PMOVUSQD] = {NULL, "MR", 8},
    [V_PMOVSQD] = {NULL, "MR", 8},
    [V_CVTDQ2PS] = {NULL, "RM"},
    [V_CVTTPS2DQ] = {NULL, "RM"},
    [V_CVTQQ2PD] = {NULL, "RM"},
    [V_CVTTPD2QQ] = {NULL, "RM"},
    [V_CVTSI2SS] = {NULL, "RFe", 4},
    [V_CVTSI2SD] = {NULL, "RFe", 4},
    [V_CVTTSS2SI] = {NULL, "gM", 4},
    [V_CVTTSD2SI] = {NULL, "gM", 8},
    [V_CVTUSI2SS] = {NULL, "RFe", 4},
    [V_CVTUSI2SD] = {NULL, "RFe", 4},
    [V_CVTTSS2USI] = {NULL, "gM", 4},
    [V_CVTTSD2USI] = {NULL, "gM", 8},
    [V_AESIMC] = {NULL, "RM"},
    [V_PCLMULQDQ] = {NULL, "RFMI"},
};

static const struct {
    const char *name;
    char needs;
} vector_rows[X86_VOP_COUNT] = {
#define X86_RM(name, prefix, map, opcode)
#define X86_MR(name, prefix, map, opcode)
#define X86_V(name, pp, map, opcode, w, needs, commutes) [V_##name] = {#name, #needs[0]},
#include "../../backend-x86_64/x86.def"
#undef X86_RM
#undef X86_MR
#undef X86_V
};

/* --- reading it back ---------------------------------------------------------------------------------- */

static void expect(const uint8_t *code, size_t size, const char *text)
{
    static csh handle;
    static cs_insn *insn;
    char found[300];
    const uint8_t *at = code;
    size_t left = size;
    uint64_t address = 0;
    if (!handle) {
        cr_assert_eq(cs_open(CS_ARCH_X86, CS_MODE_64, &handle), CS_ERR_OK);
        insn = cs_malloc(handle);
    }
    cr_assert(cs_disasm_iter(handle, &at, &left, &address, insn), "not an instruction: %s: %02x %02x %02x %02x %02x %02x",
              text, code[0], code[1], code[2], code[3], code[4], code[5]);
    snprintf(found, sizeof found, "%s%s%s", insn->mnemonic, insn->op_str[0] ? " " : "", insn->op_str);
    cr_assert_eq(insn->size, size, "%s: %zu bytes were written for %s", found, size, text);
    cr_assert(strcmp(found, text) == 0, "%s instead of %s", found, text);
}

/* Much of EVEX, and GFNI, capstone 4 doesn't know: objdump reads them, all of a test's at once. */
static struct {
    FILE *code;
    char path[30];
    unsigned count;
    struct {
        unsigned offset;
        char text[100];
    } expected[200000];
} others;

static void expect_of_objdump(const uint8_t *code, size_t size, const char *text)
{
    if (!others.code) {
        strcpy(others.path, "/tmp/xemu-emit-XXXXXX");
        int fd = mkstemp(others.path);
        cr_assert_geq(fd, 0);
        others.code = fdopen(fd, "w");
    }
    cr_assert_lt(others.count, sizeof others.expected / sizeof *others.expected);
    others.expected[others.count].offset = (unsigned)ftell(others.code);
    snprintf(others.expected[others.count++].text, sizeof others.expected->text, "%s", text);
    cr_assert_eq(fwrite(code, 1, size, others.code), size);
}

/* What both disassemblers write: lower case, no spaces, "+rcx" for "+rcx*1", no "0x", no "+0". */
static void make_canonical(char *text)
{
    char *to = text;
    for (const char *from = text; *from && *from != '\n'; from++) {
        if (strncmp(from, "+0x0]", 5) == 0)
            from += 4;
        if (from[0] == ' ' || (from[0] == '0' && from[1] == 'x') || (from[0] == '*' && from[1] == '1')) {
            from += from[0] != ' ';
            continue;
        }
        *to++ = (char)tolower(*from);
    }
    *to = 0;
}

/* To be called at the end of a test. */
static void check_with_objdump(void)
{
    char command[200], line[300];
    unsigned n = 0, offset;
    cr_assert(others.count, "nothing for objdump");
    fclose(others.code);
    snprintf(command, sizeof command, "objdump -D -b binary -m i386:x86-64 -M intel --no-show-raw-insn %s", others.path);
    FILE *out = popen(command, "r");
    while (fgets(line, sizeof line, out)) {
        int text = 0;
        if (sscanf(line, " %x:\t%n", &offset, &text) != 1 || !text)
            continue;
        char *found = line + text, *bare = strncmp(found, "{evex} ", 7) ? found : found + 7;
        make_canonical(bare);
        make_canonical(others.expected[n].text);
        cr_assert(offset == others.expected[n].offset && strcmp(bare, others.expected[n].text) == 0,
                  "%s instead of %s", bare, others.expected[n].text);
        n++;
    }
    pclose(out);
    remove(others.path);
    cr_assert_eq(n, others.count);
}

static const char *lower_case(char *to, const char *name)
{
    unsigned i = 0;
    for (; name[i]; i++)
        to[i] = (char)tolower(name[i]);
    to[i] = 0;
    return to;
}

static const char *size_name(unsigned bytes)
{
    return bytes == 1 ? "byte" : bytes == 2 ? "word" : bytes == 4 ? "dword" : bytes == 8 ? "qword" : "xmmword";
}

static void put_number(char *to, size_t size, int32_t value)
{
    unsigned magnitude = value < 0 ? -(unsigned)value : (unsigned)value;
    snprintf(to, size, magnitude > 9 ? "%s0x%x" : "%s%u", value < 0 ? "-" : "", magnitude);
}

/* bytes: 0 for LEA, which has no size. */
static const char *memory_text(char *to, unsigned bytes, struct x86_mem mem)
{
    char number[20], index[20] = "", displacement[30] = "";
    put_number(number, sizeof number, mem.displacement < 0 ? -mem.displacement : mem.displacement);
    if (mem.displacement)
        snprintf(displacement, sizeof displacement, " %c %s", mem.displacement < 0 ? '-' : '+', number);
    if (mem.index != NO_REG && mem.scale)
        snprintf(index, sizeof index, " + %s*%u", names64[mem.index], 1u << mem.scale);
    else if (mem.index != NO_REG)
        snprintf(index, sizeof index, " + %s", names64[mem.index]);
    sprintf(to, "%s%s[%s%s%s]", bytes ? size_name(bytes) : "", bytes ? " ptr " : "", names64[mem.base], index,
            displacement);
    return to;
}

/* Addresses of every form: each base, with and without index, no, short and long displacements. */
static bool next_address(struct x86_mem *mem, unsigned *state)
{
    static const int32_t displacements[] = {0, 8, -128, 127, 128, -70000, 0x100};
    static const uint8_t indexes[] = {NO_REG, RCX, RBP, R9, R12, R13};
    unsigned n = (*state)++;
    *mem = (struct x86_mem){(uint8_t)(n % 16), indexes[n / 16 % 6], 0, displacements[n / 96 % 7]};
    if (mem->index != NO_REG)
        mem->scale = (uint8_t)(n % 4);
    return n < 16 * 6 * 7;
}

static bool has_width(unsigned op, unsigned w)
{
    return w == 64 ? expected[op].reg_size == 0 : !expected[op].only64;
}

/* --- general registers --------------------------------------------------------------------------------- */

static const char *general_mnemonic(char *to, unsigned op)
{
    return expected[op].mnemonic ? expected[op].mnemonic : lower_case(to, rows[op].name);
}

static void check_row(unsigned op, unsigned w, unsigned reg, unsigned rm, const struct x86_mem *mem, bool locked)
{
    const struct expected *row = &expected[op];
    uint8_t code[64];
    char name[20], where[80], text[200];
    struct emit e = {.at = code, .end = code + sizeof code};
    unsigned reg_size = row->reg_size ? row->reg_size : w, rm_size = row->rm_size ? row->rm_size : w;
    const char *first = name_of(reg_size, reg), *second = mem ? memory_text(where, op == X86_LEA ? 0 : rm_size / 8, *mem)
                                                              : name_of(rm_size, rm);
    if (locked)
        emit_locked(&e, (enum x86_op)op, w, reg, *mem);
    else if (mem)
        emit_rm(&e, (enum x86_op)op, w, reg, *mem);
    else
        emit_rr(&e, (enum x86_op)op, w, reg, rm);
    snprintf(text, sizeof text, "%s%s %s, %s", locked ? "lock " : "", general_mnemonic(name, op),
             rows[op].rm_first ? second : first, rows[op].rm_first ? first : second);
    expect(code, (size_t)(e.at - code), text);
}

Test(emit, every_row_between_every_two_registers)
{
    for (unsigned op = 0; op < ROWS; op++)
        for (unsigned i = 0; i < 16 * 16 * 2 && !expected[op].memory_only; i++)
            if (has_width(op, i & 1 ? 64 : 32))
                check_row(op, i & 1 ? 64 : 32, i >> 1 & 15, i >> 5, NULL, false);
}

Test(emit, every_row_with_every_address)
{
    struct x86_mem mem;
    for (unsigned op = 0; op < ROWS; op++)
        for (unsigned n = 0; next_address(&mem, &n);)
            if (has_width(op, n / 5 & 1 ? 64 : 32))
                check_row(op, n / 5 & 1 ? 64 : 32, n / 3 % 16, 0, &mem, false);
}

Test(emit, locked_rows_with_every_address)
{
    static const enum x86_op ops[] = {X86_XADD,    X86_XADD16,    X86_XADD8,    X86_CMPXCHG, X86_CMPXCHG16,
                                      X86_CMPXCHG8, X86_AND_TO, X86_OR_TO, X86_XOR_TO};
    struct x86_mem mem;
    for (unsigned i = 0; i < sizeof ops / sizeof *ops; i++)
        for (unsigned n = 0; next_address(&mem, &n);)
            if (has_width(ops[i], n / 5 & 1 ? 64 : 32))
                check_row(ops[i], n / 5 & 1 ? 64 : 32, n / 3 % 16, 0, &mem, true);
}

/* --- vectors -------------------------------------------------------------------------------------------- */

enum { IMM = 0x2f };

struct vector_case {
    unsigned op, level;
    bool wide;                /* general registers of 64 bits */
    unsigned reg, first, rm;
    const struct x86_mem *mem;
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), n = strlen(end);
    return length >= n && strcmp(text + length - n, end) == 0;
}

static const char *operands_of(unsigned op)
{
    return expected_vectors[op].operands ? expected_vectors[op].operands : "RFM";
}

/* Whether a part of the operands is a register above 15 that only EVEX names. */
static bool uses_evex(const struct vector_case *c)
{
    const char *operands = operands_of(c->op);
    return c->level >= HOST_V4 &&
           (vector_rows[c->op].needs == 'E' || (strchr(operands, 'R') && c->reg > 15) ||
            (strchr(operands, 'F') && c->first > 15) || (strchr(operands, 'M') && !c->mem && c->rm > 15));
}

static void vector_text(char *text, size_t size, const struct vector_case *c)
{
    const struct expected_vector *row = &expected_vectors[c->op];
    char name[30], where[80];
    const char *mnemonic = row->mnemonic ? row->mnemonic : lower_case(name, vector_rows[c->op].name), *separator = " ";
    bool floating = mnemonic[0] != 'p';
    unsigned bytes = row->bytes ? row->bytes : floating && ends_with(mnemonic, "ss") ? 4
                   : floating && ends_with(mnemonic, "sd") ? 8 : 16;
    if ((c->op == V_COMISS || c->op == V_COMISD) && !uses_evex(c))
        bytes = 16; /* so capstone says */
    if (c->op == V_CVTPD2PS && c->level >= HOST_V3 && c->mem && !uses_evex(c))
        mnemonic = "cvtpd2psx";
    if (uses_evex(c) && row->evex)
        mnemonic = row->evex;
    size_t n = (size_t)snprintf(text, size, "%s%s", c->level >= HOST_V3 ? "v" : "", mnemonic);
    for (const char *o = operands_of(c->op); *o; o++) {
        if (*o == 'F' && c->level < HOST_V3)
            continue;
        n += (size_t)snprintf(text + n, size - n, "%s", separator);
        separator = ", ";
        bool rm = *o == 'M' || *o == 'e' || *o == 'E';
        if (*o == 'I')
            n += (size_t)snprintf(text + n, size - n, "0x%x", IMM);
        else if (rm && c->mem)
            n += (size_t)snprintf(text + n, size - n, "%s", memory_text(where, bytes, *c->mem));
        else if (*o == 'e' || *o == 'E')
            n += (size_t)snprintf(text + n, size - n, "%s", name_of(*o == 'E' || c->wide ? 64 : 32, c->rm));
        else if (*o == 'g')
            n += (size_t)snprintf(text + n, size - n, "%s", name_of(c->wide ? 64 : 32, c->reg));
        else
            n += (size_t)snprintf(text + n, size - n, "xmm%u", *o == 'R' ? c->reg : *o == 'F' ? c->first : c->rm);
    }
}

static void check_vector(const struct vector_case *c)
{
    enum x86_vop op = (enum x86_vop)c->op;
    uint8_t code[64];
    char text[200];
    struct emit e = {.at = code, .end = code + sizeof code, .level = (uint8_t)c->level};
    unsigned first = strchr(operands_of(c->op), 'F') ? c->first : VEX_NONE;
    if (c->mem)
        emit_v_rm(&e, op, c->reg, first, *c->mem);
    else
        emit_v_wide_rr(&e, op, c->wide, c->reg, first, c->rm);
    if (strchr(operands_of(c->op), 'I'))
        emit_bytes(&e, 1, IMM);
    vector_text(text, sizeof text, c);
    bool known = !uses_evex(c) && ((c->op != V_GF2P8AFFINE && c->op != V_GF2P8AFFINEINV) || c->level < HOST_V3);
    (known ? expect : expect_of_objdump)(code, (size_t)(e.at - code), text);
}

/* How many registers of the kind the row's operand has: vectors 16 or 32, general ones 16. */
static unsigned registers_for(unsigned op, unsigned level, const char *letters)
{
    return level >= HOST_V4 && vector_rows[op].needs != 'L' && strpbrk(operands_of(op), letters) ? 32 : 16;
}

static bool has_general_register(unsigned op) { return strpbrk(operands_of(op), "ge") && vector_rows[op].name[0] == 'C'; }

static void check_vectors_between_registers(unsigned level)
{
    for (unsigned op = V_NONE + 1; op < X86_VOP_COUNT; op++) {
        if (!emit_v_has((enum x86_vop)op, (enum host_level)level, 0))
            continue;
        unsigned regs = registers_for(op, level, "R"), rms = registers_for(op, level, "M");
        unsigned firsts = registers_for(op, level, "F");
        for (unsigned i = 0; i < regs * rms; i++) {
            struct vector_case c = {.op = op, .level = level, .reg = i % regs, .rm = i / regs};
            c.first = level < HOST_V3 ? c.reg : (5 * c.reg + 3 * c.rm + i / 7) % firsts;
            check_vector(&c);
            c.wide = has_general_register(op);
            if (c.wide)
                check_vector(&c);
        }
    }
}

static void check_vectors_with_addresses(unsigned level)
{
    struct x86_mem mem;
    for (unsigned op = V_NONE + 1; op < X86_VOP_COUNT; op++) {
        if (!emit_v_has((enum x86_vop)op, (enum host_level)level, 0))
            continue;
        unsigned regs = registers_for(op, level, "R"), firsts = registers_for(op, level, "F");
        for (unsigned n = 0; next_address(&mem, &n);) {
            struct vector_case c = {.op = op, .level = level, .reg = n / 3 % regs, .mem = &mem};
            c.first = level < HOST_V3 ? c.reg : n / 5 % firsts;
            check_vector(&c);
        }
    }
}

Test(emit, every_vector_row_between_registers_in_the_legacy_encoding) { check_vectors_between_registers(HOST_V2); }
Test(emit, every_vector_row_between_registers_with_vex)
{
    check_vectors_between_registers(HOST_V3);
    check_with_objdump();
}
Test(emit, every_vector_row_between_registers_with_evex)
{
    check_vectors_between_registers(HOST_V4);
    check_with_objdump();
}
Test(emit, every_vector_row_with_every_address_in_the_legacy_encoding) { check_vectors_with_addresses(HOST_V2); }
Test(emit, every_vector_row_with_every_address_with_vex)
{
    check_vectors_with_addresses(HOST_V3);
    check_with_objdump();
}
Test(emit, every_vector_row_with_every_address_with_evex)
{
    check_vectors_with_addresses(HOST_V4);
    check_with_objdump();
}

Test(emit, shifts_of_vectors_by_immediates)
{
    static const struct {
        unsigned esz, digit;
        const char *mnemonic;
    } shifts[] = {{1, 2, "psrlw"}, {2, 2, "psrld"}, {3, 2, "psrlq"}, {1, 4, "psraw"},  {2, 4, "psrad"}, {3, 4, "psraq"},
                  {1, 6, "psllw"}, {2, 6, "pslld"}, {3, 6, "psllq"}, {3, 3, "psrldq"}, {3, 7, "pslldq"},
                  {2, 0, "prord"}, {3, 0, "prorq"}};
    for (unsigned s = 0; s < sizeof shifts / sizeof *shifts; s++)
        for (unsigned level = HOST_V2; level <= HOST_V4; level++) {
            unsigned regs = level < HOST_V4 || (shifts[s].digit & 1) ? 16 : 32;
            bool evex_only = !shifts[s].digit || (shifts[s].esz == 3 && shifts[s].digit == 4);
            if (evex_only && level < HOST_V4)
                continue;
            for (unsigned i = 0; i < regs * regs; i++) {
                unsigned dst = i % regs, src = level < HOST_V3 ? dst : i / regs;
                uint8_t code[64];
                char text[100];
                struct emit e = {.at = code, .end = code + sizeof code, .level = (uint8_t)level};
                emit_v_shift(&e, shifts[s].esz, shifts[s].digit, dst, src, 11);
                if (level < HOST_V3)
                    snprintf(text, sizeof text, "%s xmm%u, 0xb", shifts[s].mnemonic, dst);
                else
                    snprintf(text, sizeof text, "v%s xmm%u, xmm%u, 0xb", shifts[s].mnemonic, dst, src);
                bool known = dst < 16 && src < 16 && !evex_only;
                (known ? expect : expect_of_objdump)(code, (size_t)(e.at - code), text);
            }
        }
    check_with_objdump();
}

/* --- forms that are no rows ------------------------------------------------------------------------------ */

Test(emit, shifts_and_logic_of_bmi_between_every_three_registers)
{
    for (unsigned i = 0; i < 16 * 16 * 16 * 2; i++) {
        unsigned w = i & 1 ? 64 : 32, dst = i >> 1 & 15, src = i >> 5 & 15, count = i >> 9;
        static const struct {
            enum x86_shift shift;
            const char *mnemonic;
        } shifts[] = {{SHIFT_SHL, "shlx"}, {SHIFT_SHR, "shrx"}, {SHIFT_SAR, "sarx"}};
        uint8_t code[64];
        char text[100];
        for (unsigned s = 0; s < 3; s++) {
            struct emit e = {.at = code, .end = code + sizeof code, .level = HOST_V3};
            emit_shift_by(&e, shifts[s].shift, w, dst, src, count);
            snprintf(text, sizeof text, "%s %s, %s, %s", shifts[s].mnemonic, name_of(w, dst), name_of(w, src),
                     name_of(w, count));
            expect(code, (size_t)(e.at - code), text);
        }
        struct emit e = {.at = code, .end = code + sizeof code, .level = HOST_V3};
        emit_andn(&e, w, dst, count, src);
        snprintf(text, sizeof text, "andn %s, %s, %s", name_of(w, dst), name_of(w, count), name_of(w, src));
        expect(code, (size_t)(e.at - code), text);
        e.at = code;
        emit_mulx(&e, dst, count, src);
        snprintf(text, sizeof text, "mulx %s, %s, %s", name_of(64, dst), name_of(64, count), name_of(64, src));
        expect(code, (size_t)(e.at - code), text);
        e.at = code;
        emit_rorx(&e, w, dst, src, 10 + count);
        snprintf(text, sizeof text, "rorx %s, %s, 0x%x", name_of(w, dst), name_of(w, src), 10 + count);
        expect(code, (size_t)(e.at - code), text);
    }
}

Test(emit, forms_of_their_own)
{
    uint8_t code[64];
    struct emit e;
#define EMITS(text, call)                              \
    e = (struct emit){.at = code, .end = code + sizeof code}; \
    call;                                              \
    expect(code, (size_t)(e.at - code), text)
    EMITS("mulx r9, rcx, qword ptr [rbp - 0x30]", emit_mulx_mem(&e, R9, RCX, x86_at(RBP, -0x30)));
    EMITS("mulx rcx, r12, qword ptr [r8 + r9*8]", emit_mulx_mem(&e, RCX, R12, (struct x86_mem){R8, R9, 3, 0}));
    EMITS("mov r11d, 0x12345678", emit_mov_imm(&e, R11, 0x12345678));
    EMITS("mov rax, -0x100", emit_mov_imm(&e, RAX, (uint64_t)-256));
    EMITS("movabs r8, 0x123456789abcdef0", emit_mov_imm(&e, R8, 0x123456789abcdef0));
    EMITS("add r12, 0x7f", emit_ri(&e, X86_ADD, 64, R12, 127));
    EMITS("cmp ecx, 0x80", emit_ri(&e, X86_CMP, 32, RCX, 128));
    EMITS("cmp dword ptr [rbp + 0x10], 0", emit_mi32(&e, X86_CMP, x86_at(RBP, 16), 0));
    EMITS("mov qword ptr [rsp + 8], -1", emit_store_imm(&e, 64, x86_at(RSP, 8), -1));
    EMITS("test edi, 0x4000", emit_test_imm(&e, 32, RDI, 0x4000));
    EMITS("bt r10, 0x3f", emit_bt_imm(&e, 64, R10, 63));
    EMITS("btr eax, 0x1f", emit_bit_imm(&e, 6, 32, RAX, 31));
    EMITS("sar r9, 5", emit_shift_imm(&e, SHIFT_SAR, 64, R9, 5));
    EMITS("ror edx, cl", emit_shift_cl(&e, SHIFT_ROR, 32, RDX));
    EMITS("not rsi", emit_unary(&e, UNARY_NOT, 64, RSI));
    EMITS("mul r8", emit_unary(&e, UNARY_MUL, 64, R8));
    EMITS("bswap r15", emit_bswap(&e, 64, R15));
    EMITS("shrd r8, rax, 7", emit_shrd_imm(&e, 64, R8, RAX, 7));
    EMITS("setbe sil", emit_setcc(&e, CC_BE, RSI));
    EMITS("cmovl r9, rdi", emit_cmov(&e, CC_L, 64, R9, RDI));
    EMITS("jmp r11", emit_jmp_reg(&e, R11));
    EMITS("bts rcx, 0x21", emit_bit_imm(&e, 5, 64, RCX, 33));
    EMITS("imul r9, rdi, 0x7f", emit_imul_imm(&e, 64, R9, RDI, 127));
    EMITS("imul eax, r10d, 0x1000", emit_imul_imm(&e, 32, RAX, R10, 4096));
    EMITS("cdq", emit_cqo(&e, 32));
    EMITS("cqo", emit_cqo(&e, 64));
    EMITS("ldmxcsr dword ptr [rbp + 0x10]", emit_mxcsr(&e, 2, x86_at(RBP, 16)));
    EMITS("stmxcsr dword ptr [r12]", emit_mxcsr(&e, 3, x86_at(R12, 0)));
    EMITS("jmp 5", emit_jmp(&e));
    EMITS("jne 6", emit_jcc(&e, CC_NE));
    EMITS("jmp 0", emit_jmp_to(&e, code));
    EMITS("jb 0", emit_jcc_to(&e, CC_B, code));
    EMITS("call 0", emit_call_to(&e, code));
#undef EMITS
}

Test(emit, nothing_is_written_past_the_end)
{
    uint8_t code[40];
    memset(code, 0xcc, sizeof code);
    struct emit e = {.at = code, .end = code + 8};
    emit_mov_imm(&e, RAX, 0x123456789abcdef0);
    cr_assert(e.full);
    cr_assert_eq(code[0], 0xcc);
}
