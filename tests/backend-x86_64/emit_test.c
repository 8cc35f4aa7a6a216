/* The emitter: what it writes, capstone reads as the instruction that was asked for. */
#include "../../backend-x86_64/emit.h"

#include <capstone/capstone.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

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

/* The rows again, as text: mnemonic, sizes of reg and r/m (0: the operation's width), and whether r/m comes first. */
static const struct {
    enum x86_op op;
    const char *mnemonic;
    unsigned reg_size, rm_size;
    bool rm_first, memory_only;
} rows[] = {
    {X86_ADD, "add", 0, 0, false, false},       {X86_OR, "or", 0, 0, false, false},
    {X86_ADC, "adc", 0, 0, false, false},       {X86_SBB, "sbb", 0, 0, false, false},
    {X86_AND, "and", 0, 0, false, false},       {X86_SUB, "sub", 0, 0, false, false},
    {X86_XOR, "xor", 0, 0, false, false},       {X86_CMP, "cmp", 0, 0, false, false},
    {X86_MOV, "mov", 0, 0, false, false},       {X86_IMUL, "imul", 0, 0, false, false},
    {X86_MOVZX8, "movzx", 0, 8, false, false},  {X86_MOVZX16, "movzx", 0, 16, false, false},
    {X86_MOVSX8, "movsx", 0, 8, false, false},  {X86_MOVSX16, "movsx", 0, 16, false, false},
    {X86_BSR, "bsr", 0, 0, false, false},       {X86_TEST, "test", 0, 0, true, false},
    {X86_STORE, "mov", 0, 0, true, false},      {X86_STORE16, "mov", 16, 16, true, true},
    {X86_STORE8, "mov", 8, 8, true, true},      {X86_LEA, "lea", 0, 0, false, true},
};

static void expect(const uint8_t *code, size_t size, const char *text)
{
    csh handle;
    cs_insn *insn;
    char found[200];
    cr_assert_eq(cs_open(CS_ARCH_X86, CS_MODE_64, &handle), CS_ERR_OK);
    size_t count = cs_disasm(handle, code, size, 0, 1, &insn);
    cr_assert_eq(count, 1, "not an instruction: %s", text);
    snprintf(found, sizeof found, "%s %s", insn->mnemonic, insn->op_str);
    cr_assert_eq(insn->size, size, "%s: %zu bytes were written", found, size);
    cr_assert_str_eq(found, text);
    cs_free(insn, count);
    cs_close(&handle);
}

Test(emit, every_row_between_every_two_registers)
{
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++)
        for (unsigned i = 0; i < 16 * 16 * 2 && !rows[row].memory_only; i++) {
            unsigned w = i & 1 ? 64 : 32, reg = i >> 1 & 15, rm = i >> 5;
            uint8_t code[64];
            char text[100];
            struct emit e = {code, code + sizeof code, false};
            const char *first = name_of(rows[row].reg_size ? rows[row].reg_size : w, reg);
            const char *second = name_of(rows[row].rm_size ? rows[row].rm_size : w, rm);
            emit_rr(&e, rows[row].op, w, reg, rm);
            snprintf(text, sizeof text, "%s %s, %s", rows[row].mnemonic, rows[row].rm_first ? second : first,
                     rows[row].rm_first ? first : second);
            expect(code, (size_t)(e.at - code), text);
        }
}

Test(emit, stores_and_addresses_with_every_base)
{
    static const int32_t displacements[] = {0, 8, -128, 127, 128, -70000};
    for (unsigned base = 0; base < 16; base++)
        for (size_t d = 0; d < sizeof displacements / sizeof *displacements; d++) {
            int32_t at = displacements[d];
            uint8_t code[64];
            char text[100], where[60];
            struct emit e = {code, code + sizeof code, false};
            if (at > 9 || at < -9)
                snprintf(where, sizeof where, "[%s %c 0x%x]", names64[base], at < 0 ? '-' : '+', at < 0 ? -at : at);
            else if (at)
                snprintf(where, sizeof where, "[%s + %d]", names64[base], at);
            else
                snprintf(where, sizeof where, "[%s]", names64[base]);
            emit_rm(&e, X86_STORE8, 32, RSI, x86_at(base, at));
            snprintf(text, sizeof text, "mov byte ptr %s, sil", where);
            expect(code, (size_t)(e.at - code), text);
            e.at = code;
            emit_rm(&e, X86_LEA, 64, R9, x86_at(base, at));
            snprintf(text, sizeof text, "lea r9, %s", where);
            expect(code, (size_t)(e.at - code), text);
        }
}

Test(emit, forms_of_their_own)
{
    uint8_t code[64];
    struct emit e;
#define EMITS(text, call)                              \
    e = (struct emit){code, code + sizeof code, false}; \
    call;                                              \
    expect(code, (size_t)(e.at - code), text)
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
    EMITS("paddd xmm0, xmmword ptr [rbp + 0x100]", emit_sse_rm(&e, 0x66, 1, 0xfe, 0, x86_at(RBP, 256)));
    EMITS("pmovsxbw xmm1, xmm2", emit_sse_rr(&e, 0x66, 2, 0x20, 32, 1, 2));
    EMITS("movq xmm0, r9", emit_sse_rr(&e, 0x66, 1, 0x6e, 64, 0, R9));
    EMITS("psrlq xmm1, 0x34", emit_sse_shift(&e, 0x73, 2, 1, 52));
    EMITS("vfmadd231sd xmm0, xmm1, qword ptr [rsp + 0x20]", emit_fma231(&e, 0xb9, 64, 0, 1, x86_at(RSP, 32)));
    EMITS("vfmadd231ps xmm0, xmm1, xmmword ptr [rbp - 8]", emit_fma231(&e, 0xb8, 32, 0, 1, x86_at(RBP, -8)));
#undef EMITS
}

Test(emit, nothing_is_written_past_the_end)
{
    uint8_t code[40];
    memset(code, 0xcc, sizeof code);
    struct emit e = {code, code + 8, false};
    emit_mov_imm(&e, RAX, 0x123456789abcdef0);
    cr_assert(e.full);
    cr_assert_eq(code[0], 0xcc);
}
