/* What the lowering promises about whole blocks. */
#include "../../jit/passes.h"

#include <criterion/criterion.h>

#include <xemu/insn.h>
#include <xemu/jit.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CODE_BYTES = 1 << 20, PAGE = 4096, WORDS = PAGE / 4, MAX_RELOCS = 4096, MAX_LINKS = 128, MAX_SITES = 8192 };

static uint8_t code[CODE_BYTES] __attribute__((aligned(64)));
static struct fault_site sites[MAX_SITES];
static struct code_link links[MAX_LINKS];
static struct code_reloc relocs[MAX_RELOCS];
static struct ir_block block;

static struct code_buffer begin(unsigned level)
{
    struct code_buffer buffer = {.start = code, .at = code, .end = code + CODE_BYTES, .sites = sites,
                                 .site_capacity = MAX_SITES, .links = links, .link_count = 1,
                                 .link_capacity = MAX_LINKS, .relocs = relocs, .reloc_capacity = MAX_RELOCS};
    backend_init(level);
    backend_stubs(&buffer);
    return buffer;
}

static void lift(const uint32_t *words, unsigned count)
{
    lift_block(&block, (uint64_t)words, count, NULL);
}

static void fill_with_instructions(uint32_t *words)
{
    unsigned state = 1;
    for (unsigned i = 0; i < WORDS;) {
        struct a64_insn in;
        uint32_t word = (uint32_t)rand_r(&state) << 16 ^ (uint32_t)rand_r(&state);
        if (i % 8 == 0) /* what depends on the pc is rare among random words */
            word = (word & 0x9fffffff) | 0x10000000; /* ADR, ADRP */
        a64_decode(word, (uint64_t)&words[i], &in);
        if (in.op != A64_UNALLOCATED)
            words[i++] = word;
    }
}

static uint32_t *map_page(void)
{
    uint32_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(page, MAP_FAILED);
    return page;
}

static uint64_t eight_at(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

/* Code that was compiled for one place, with its relocations, is what is compiled for another. */
static void check_moved(unsigned level, const uint32_t *here, const uint32_t *there, unsigned from, unsigned count)
{
    static uint8_t first[CODE_BYTES];
    uint64_t moved = (uint64_t)there - (uint64_t)here;
    struct code_buffer buffer = begin(level), again = buffer;

    lift(here + from, count);
    const uint8_t *start = backend_compile(&buffer, &block);
    if (!start) /* too big */
        return;
    size_t bytes = (size_t)(buffer.at - start);
    memcpy(first, start, bytes);
    cr_assert(buffer.portable);
    cr_assert_not(buffer.fixed); /* mmap() gives high addresses */
    for (unsigned i = 0; i < buffer.reloc_count; i++)
        if (relocs[i].kind == RELOC_GUEST) {
            uint64_t value = eight_at(first + relocs[i].offset) + moved;
            memcpy(first + relocs[i].offset, &value, 8);
        }
    lift(there + from, count);
    cr_assert_eq(backend_compile(&again, &block), start);
    cr_assert_eq((size_t)(again.at - start), bytes, "level %u, word %u: %#x", level, from, here[from]);
    cr_assert_eq(memcmp(first, start, bytes), 0, "level %u, word %u: %#x", level, from, here[from]);
}

Test(lower, what_depends_on_the_pc_has_a_relocation)
{
    uint32_t *here = map_page(), *gap = map_page(), *there = map_page();
    fill_with_instructions(here);
    memcpy(there, here, PAGE);
    for (unsigned level = 2; level <= backend_best_level(); level++)
        for (unsigned from = 0; from < WORDS; from += 4)
            check_moved(level, here, there, from, 1 + from % 9);
    munmap(gap, PAGE);
}

/* A block that needs too many registers is refused, so that a shorter one is tried; that ends well. */
Test(lower, every_instruction_alone_has_code)
{
    uint32_t *words = map_page();
    fill_with_instructions(words);
    for (unsigned level = 2; level <= backend_best_level(); level++)
        for (unsigned i = 0; i < WORDS; i++) {
            struct code_buffer buffer = begin(level);
            lift(words + i, 1);
            cr_assert_not_null(backend_compile(&buffer, &block), "level %u: %#x", level, words[i]);
        }
}

/* Whether the block that starts there calls the stub for functions. */
static bool calls_functions(const struct code_buffer *buffer, const uint8_t *start)
{
    for (unsigned i = 0; i < buffer->reloc_count; i++) {
        const uint8_t *at = start + relocs[i].offset;
        int32_t distance;
        memcpy(&distance, at, 4);
        if (relocs[i].kind == RELOC_STUB && at + 4 + distance == buffer->call)
            return true;
    }
    return false;
}

/* Whether the sites of a block of three instructions have a recipe for flags. */
static bool has_recipe(uint32_t compares, uint32_t loads, uint32_t compares_again)
{
    uint32_t *words = map_page();
    memcpy(words, (uint32_t[]){compares, loads, compares_again}, 12);
    struct code_buffer buffer = begin(0);
    lift(words, 3);
    pass_flags(&block);
    cr_assert_not_null(backend_compile(&buffer, &block));
    bool found = false;
    for (unsigned i = 0; i < buffer.site_count; i++)
        found |= sites[i].recipe;
    return found;
}

Test(lower, flags_for_faults_alone_are_written_only_if_their_operands_go)
{
    enum { CMP_X0_X1 = 0xeb01001f, SUBS_X0_1 = 0xf1000400, SUBS_X0_X1 = 0xeb010000, LDR_X2 = 0xf9400062, LDR_X1 = 0xf9400061 };
    cr_expect(has_recipe(CMP_X0_X1, LDR_X2, CMP_X0_X1));
    cr_expect(has_recipe(SUBS_X0_1, LDR_X2, CMP_X0_X1));
    cr_expect_not(has_recipe(CMP_X0_X1, LDR_X1, CMP_X0_X1));
    cr_expect_not(has_recipe(SUBS_X0_X1, LDR_X2, CMP_X0_X1));
}

static uint32_t loop_of(const uint32_t *instructions, unsigned count)
{
    uint32_t *words = map_page();
    memcpy(words, instructions, count * sizeof *words);
    struct code_buffer buffer = begin(0);
    lift(words, count);
    cr_assert_not_null(backend_compile(&buffer, &block));
    cr_assert_eq(buffer.loop % 16, 0);
    return buffer.loop;
}

Test(lower, further_rounds_of_a_loop_with_numbers_have_code_of_their_own)
{
    cr_expect_neq(loop_of((uint32_t[]){0x1e612800, 0xf1000400, 0x54ffffc1}, 3), 0); /* FADD; SUBS; B.NE to the first */
    cr_expect_neq(loop_of((uint32_t[]){0x1e612800, 0x17ffffff}, 2), 0);             /* FADD; B */
    cr_expect_eq(loop_of((uint32_t[]){0x1e612800, 0xf1000400, 0x54ffffe1}, 3), 0);  /* B.NE to the second */
    cr_expect_eq(loop_of((uint32_t[]){0x91000421, 0xf1000400, 0x54ffffc1}, 3), 0);  /* ADD; SUBS; B.NE */
    cr_expect_eq(loop_of((uint32_t[]){0x1e612800, 0x97ffffff, 0x17fffffe}, 3), 0);  /* FADD; BL; B */
}

/* Neither the operands nor the result are pinned where there are 16 vector registers. */
Test(lower, narrowing_of_vectors_in_memory_needs_no_function)
{
    static const uint32_t uzp1 = 0x4e1f1bdd; /* UZP1 V29.16B, V30.16B, V31.16B */
    uint32_t *words = map_page();
    words[0] = uzp1;
    for (unsigned level = 2; level <= backend_best_level(); level++) {
        struct code_buffer buffer = begin(level);
        lift(words, 1);
        const uint8_t *start = backend_compile(&buffer, &block);
        cr_assert_not_null(start);
        cr_expect_not(calls_functions(&buffer, start), "level %u", level);
    }
}

Test(lower, vectors_in_memory_leave_registers_enough)
{
    static const uint32_t instructions[] = {
        0x6e6a1f49, /* BSL V9.16B, V26.16B, V10.16B */
        0x4e3a9edc, /* MUL V28.16B, V22.16B, V26.16B */
        0x4eba3edc, /* CMGE V28.4S, V22.4S, V26.4S */
        0x4eba8edc, /* CMTST V28.4S, V22.4S, V26.4S */
        0x0e2cd74f, /* FADD V15.2S, V26.2S, V12.2S */
        0x0e3af6dc, /* FMAX V28.2S, V22.2S, V26.2S */
    };
    uint32_t *words = map_page();
    for (unsigned level = 3; level <= backend_best_level(); level++)
        for (unsigned i = 0; i < sizeof instructions / sizeof *instructions; i++) {
            struct code_buffer buffer = begin(level);
            words[0] = instructions[i];
            lift(words, 1);
            const uint8_t *start = backend_compile(&buffer, &block);
            cr_assert_not_null(start);
            cr_expect_not(calls_functions(&buffer, start), "level %u: %#x", level, words[0]);
        }
}

/* With operands and results that are in memory where there are 16 vector registers, and some where there are 32. */
Test(lower, frequent_instructions_need_no_function)
{
    static const struct {
        unsigned least; /* level of the host */
        uint32_t word;
    } instructions[] = {
        {2, 0xd53b4400}, /* MRS X0, FPCR */
        {2, 0xce6e835c}, /* SHA512H Q28, Q26, V14.2D */
        {2, 0xce6e875c}, /* SHA512H2 Q28, Q26, V14.2D */
        {2, 0xcec0835c}, /* SHA512SU0 V28.2D, V26.2D */
        {2, 0xce6e8b5c}, /* SHA512SU1 V28.2D, V26.2D, V14.2D */
        {2, 0xce8eff5c}, /* XAR V28.2D, V26.2D, V14.2D, #63 */
        {2, 0x4cdf428d}, /* LD3 {V13.16B, V14.16B, V15.16B}, [X20], #48 */
        {2, 0x0c40469a}, /* LD3 {V26.4H, V27.4H, V28.4H}, [X20] */
        {2, 0x4c9f468d}, /* ST3 {V13.8H, V14.8H, V15.8H}, [X20], #48 */
        {2, 0x0c854a9c}, /* ST3 {V28.2S, V29.2S, V30.2S}, [X20], X5 */
        {2, 0x6e204b5c}, /* CLZ V28.16B, V26.16B */
        {2, 0x0e204b5c}, /* CLS V28.8B, V26.8B */
        {4, 0x4ea04b5c}, /* CLS V28.4S, V26.4S */
        {4, 0x4e604b4e}, /* CLS V14.8H, V26.8H */
        {2, 0x6e2e9f5c}, /* PMUL V28.16B, V26.16B, V14.16B */
        {2, 0x4e2ee35c}, /* PMULL2 V28.8H, V26.16B, V14.16B */
        {2, 0x4e89a75c}, /* SMMLA V28.4S, V26.16B, V9.16B */
        {2, 0x6e89a75c}, /* UMMLA V28.4S, V26.16B, V9.16B */
        {2, 0x4e89af5c}, /* USMMLA V28.4S, V26.16B, V9.16B */
        {2, 0x4e899f5c}, /* USDOT V28.4S, V26.16B, V9.16B */
        {2, 0x4f29f35c}, /* SUDOT V28.4S, V26.16B, V9.4B[1] */
        {2, 0x6e428423}, /* SQRDMLAH V3.8H, V1.8H, V2.8H */
        {4, 0x6e898f5c}, /* SQRDMLSH V28.4S, V26.4S, V9.4S */
        {2, 0x4ea9175c}, /* SRHADD V28.4S, V26.4S, V9.4S */
        {2, 0x6ea9275c}, /* UHSUB V28.4S, V26.4S, V9.4S */
        {3, 0x4e49175c}, /* FADD V28.8H, V26.8H, V9.8H */
        {3, 0x1ee91b5c}, /* FDIV H28, H26, H9 */
        {3, 0x0e49375c}, /* FMAX V28.4H, V26.4H, V9.4H */
        {3, 0x4e490f5c}, /* FMLA V28.8H, V26.8H, V9.8H */
        {3, 0x1fc93b5c}, /* FMADD H28, H26, H9, H14 */
        {3, 0x6ef9fb5c}, /* FSQRT V28.8H, V26.8H */
        {3, 0x6e798b5c}, /* FRINTA V28.8H, V26.8H */
        {3, 0x6e49275c}, /* FCMGE V28.8H, V26.8H, V9.8H */
        {3, 0x1ee92340}, /* FCMP H26, H9 */
        {3, 0x4e79db5c}, /* SCVTF V28.8H, V26.8H */
        {3, 0x0e217b5c}, /* FCVTL V28.4S, V26.4H */
        {3, 0x0e216b5c}, /* FCVTN V28.4H, V26.4S */
        {3, 0x9ef80341}, /* FCVTZS X1, H26 */
        {2, 0x6e218b5c}, /* FRINTA V28.4S, V26.4S */
        {2, 0x9e640341}, /* FCVTAS X1, D26 */
        {2, 0x4e21ab5c}, /* FCVTNS V28.4S, V26.4S */
        {2, 0x9e58b341}, /* FCVTZS X1, D26, #20 */
        {2, 0x9e42b03a}, /* SCVTF D26, X1, #20 */
        {2, 0x4f39e75c}, /* SCVTF V28.4S, V26.4S, #7 */
        {2, 0x4f39ff5c}, /* FCVTZS V28.4S, V26.4S, #7 */
        {4, 0x6ee1bb5c}, /* FCVTZU V28.2D, V26.2D */
        {4, 0x6f3de75c}, /* UCVTF V28.4S, V26.4S, #3 */
        {2, 0x5e69df5c}, /* FMULX D28, D26, D9 */
        {4, 0x6e3a4701}, /* USHL V1.16B, V24.16B, V26.16B */
        {4, 0x4e69575c}, /* SRSHL V28.8H, V26.8H, V9.8H */
        {3, 0x6ee9575c}, /* URSHL V28.2D, V26.2D, V9.2D */
        {2, 0x4f0d275c}, /* SRSHR V28.16B, V26.16B, #3 */
        {3, 0x4f39535c}, /* FMLS V28.8H, V26.8H, V9.H[3] */
        {4, 0x0ea9d35c}, /* SQDMULL V28.2D, V26.2S, V9.2S */
        {4, 0x2f398f5c}, /* SQRSHRUN V28.2S, V26.2D, #7 */
        {2, 0x7f0d975c}, /* UQSHRN B28, H26, #3 */
        {3, 0x1e63c35c}, /* FCVT H28, D26 */
        {2, 0x4f13775c}, /* SQSHL V28.8H, V26.8H, #3 */
        {2, 0x6f23775c}, /* UQSHL V28.4S, V26.4S, #3 */
        {3, 0x6f13675c}, /* SQSHLU V28.8H, V26.8H, #3 */
        {2, 0x4e09135c}, /* TBX V28.16B, {V26.16B}, V9.16B */
        {2, 0x0e09335c}, /* TBX V28.8B, {V26.16B, V27.16B}, V9.8B */
        {4, 0x2ea9735c}, /* UABDL V28.2D, V26.2S, V9.2S */
        {3, 0x6e428c23}, /* SQRDMLSH V3.8H, V1.8H, V2.8H */
        {2, 0x6f52d823}, /* SQRDMLAH V3.8H, V1.8H, V2.H[5] */
        {2, 0x6f0b575c}, /* SLI V28.16B, V26.16B, #3 */
        {2, 0x2f08475c}, /* SRI V28.8B, V26.8B, #8 */
        {2, 0x4ea03b5c}, /* SUQADD V28.4S, V26.4S */
        {4, 0x4ee90f5c}, /* SQADD V28.2D, V26.2D, V9.2D */
        {4, 0x4e694f5c}, /* SQSHL V28.8H, V26.8H, V9.8H */
        {4, 0x6ee95f5c}, /* UQRSHL V28.2D, V26.2D, V9.2D */
        {4, 0x5ea95f5c}, /* SQRSHL S28, S26, S9 */
        {4, 0xce490b5c}, /* SM3SS1 V28.4S, V26.4S, V9.4S, V2.4S */
        {4, 0xce69c35c}, /* SM3PARTW1 V28.4S, V26.4S, V9.4S */
        {4, 0xce69c75c}, /* SM3PARTW2 V28.4S, V26.4S, V9.4S */
        {4, 0xce49a75c}, /* SM3TT1B V28.4S, V26.4S, V9.S[2] */
    };
    uint32_t *words = map_page();
    for (unsigned i = 0; i < sizeof instructions / sizeof *instructions; i++)
        for (unsigned level = instructions[i].least; level <= backend_best_level(); level++) {
            struct code_buffer buffer = begin(level);
            words[0] = instructions[i].word;
            lift(words, 1);
            const uint8_t *start = backend_compile(&buffer, &block);
            cr_assert_not_null(start);
            cr_expect_not(calls_functions(&buffer, start), "level %u: %#x", level, words[0]);
        }
}

static size_t bytes_of_code(unsigned level, const uint32_t *words, unsigned count)
{
    struct code_buffer buffer = begin(level);
    lift(words, count);
    const uint8_t *start = backend_compile(&buffer, &block);
    cr_assert_not_null(start);
    return (size_t)(buffer.at - start);
}

Test(lower, what_several_products_widen_is_widened_once)
{
    static const uint32_t umlal = 0x2fa520c0; /* UMLAL V0.2D, V6.2S, V5.S[1] */
    enum { COUNT = 4, NEXT_RD = 1, NEXT_RN = 1 << 5 };
    uint32_t *same = map_page(), *different = map_page();
    for (unsigned i = 0; i < COUNT; i++) {
        same[i] = umlal + i * NEXT_RD;
        different[i] = same[i] - i * NEXT_RN;
    }
    for (unsigned level = 2; level <= backend_best_level(); level++)
        cr_expect_lt(bytes_of_code(level, same, COUNT) + 8, bytes_of_code(level, different, COUNT), "level %u", level);
}

Test(lower, a_round_of_aes_is_one_operation_where_nobody_sees_its_half)
{
    uint32_t *words = map_page();
    for (unsigned level = 3; level <= backend_best_level(); level++) {
        words[0] = 0x4e284820; /* AESE V0.16B, V1.16B */
        words[1] = 0x4e286800; /* AESMC V0.16B, V0.16B */
        size_t unseen = bytes_of_code(level, words, 2);
        words[1] = 0x4e286802; /* AESMC V2.16B, V0.16B */
        cr_expect_lt(unseen + 8, bytes_of_code(level, words, 2), "level %u", level);
    }
}

Test(lower, system_calls_have_their_instruction_where_the_stub_says)
{
    struct code_buffer buffer = begin(2);
    const struct call_place *place = &buffer.call_place;
    const char *start = (const char *)buffer.direct_call;
    cr_expect(start < place->check && place->check < place->insn && place->done < place->restart);
    cr_expect_eq(place->done - place->insn, 2);
    cr_expect_arr_eq(place->insn, "\x0f\x05", 2);
    for (const char *at = start; at < place->restart; at++) /* no other call can be meant */
        cr_expect(at == place->insn || memcmp(at, "\x0f\x05", 2) != 0);
}
