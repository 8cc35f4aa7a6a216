/* The guest's CPU: models, features, and what the decoder makes of them. */
#include <criterion/criterion.h>
#include <xemu/features.h>
#include <xemu/insn.h>

enum { SWP_W = 0xb8208020, PACIASP = 0xd503233f, FMOV_H = 0x1ee04020, HVC_0 = 0xd4000002 };
enum { ISAR0 = 6, PFR0 = 4 };

static enum a64_op decoded(uint32_t word)
{
    struct a64_insn in;
    a64_decode(word, 0, &in);
    return in.op;
}

Test(features, instruction_of_a_feature_that_is_off_is_unallocated)
{
    cr_assert_null(cpu_select("max"));
    cr_expect_eq(decoded(SWP_W), A64_SWP);
    cr_expect_eq(decoded(FMOV_H), A64_FMOV_SH);
    cr_assert_null(cpu_select("cortex-a53"));
    cr_expect_eq(decoded(SWP_W), A64_UNALLOCATED);
    cr_assert_null(cpu_select("max-fp16"));
    cr_expect_eq(decoded(SWP_W), A64_SWP);
    cr_expect_eq(decoded(FMOV_H), A64_UNALLOCATED);
}

Test(features, hint_of_a_feature_that_is_off_does_nothing)
{
    cr_assert_null(cpu_select("max"));
    cr_expect_eq(decoded(PACIASP), A64_PACIASP);
    cr_assert_null(cpu_select("neoverse-n1"));
    cr_expect_eq(decoded(PACIASP), A64_HINT);
}

Test(features, what_only_an_operating_system_may_do_is_never_there)
{
    cr_assert_null(cpu_select("max"));
    cr_expect_eq(decoded(HVC_0), A64_UNALLOCATED);
}

Test(features, is_switched_with_those_that_need_it)
{
    cr_assert_null(cpu_select("cortex-a53+fhm"));
    cr_expect(feature_on[FEAT_FP16] && feature_on[FEAT_FP16_V] && feature_on[FEAT_FHM]);
    cr_expect_not(feature_on[FEAT_LSE]);
    cr_assert_null(cpu_select("max-FP16"));
    cr_expect_not(feature_on[FEAT_FP16_V] || feature_on[FEAT_FHM]);
    cr_assert_null(cpu_select("neoverse-v1-atomics+FEAT_CSSC")); /* by the kernel's name, by the manual's */
    cr_expect_not(feature_on[FEAT_LSE] || feature_on[FEAT_LSE2]);
    cr_expect(feature_on[FEAT_CSSC]);
}

/* What is inline: with SHA-512, for one, OpenSSL is twice as fast as without. */
Test(features, default_has_what_is_fast)
{
    cr_assert_null(cpu_select(NULL));
    cr_expect(feature_on[FEAT_DotProd] && feature_on[FEAT_SHA512] && feature_on[FEAT_FP16] && feature_on[FEAT_RDM]);
    cr_expect_not(feature_on[FEAT_BF16] || feature_on[FEAT_AFP]);
}

Test(features, algorithm_of_pointer_authentication_is_chosen_by_name)
{
    enum { ISAR1 = 1, ISAR2 = 2 };
    cr_assert_null(cpu_select("max"));
    cr_expect_eq(cpu_id_register(ISAR0, ISAR1) & 0xff000ff0, 0x10000400); /* GPI, API */
    cr_assert_null(cpu_select("max+pacqarma5"));
    cr_expect_eq(cpu_id_register(ISAR0, ISAR1) & 0xff000ff0, 0x01000040); /* GPA, APA */
    cr_assert_null(cpu_select("neoverse-v1+FEAT_PACQARMA3"));
    cr_expect_eq(cpu_id_register(ISAR0, ISAR1) & 0xff000ff0, 0);
    cr_expect_eq(cpu_id_register(ISAR0, ISAR2) & 0xff00, 0x1100); /* APA3, GPA3 */
}

Test(features, wrong_names_are_refused)
{
    cr_expect_not_null(cpu_select("cortex-a54"));
    cr_expect_not_null(cpu_select("max+"));
    cr_expect_not_null(cpu_select("max+sve9"));
    cr_expect_not_null(cpu_select("max+mte"));
    cr_expect_null(cpu_select("max-mte"));
}

/* Values that real machines show: /proc/cpuinfo and ID registers of AWS Graviton 2 (Neoverse N1). */
Test(features, neoverse_n1_is_as_linux_shows_it)
{
    static const char *const flags[] = {"fp",   "asimd",   "evtstrm", "aes",      "pmull", "sha1",  "sha2", "crc32", "atomics",
                                        "fphp", "asimdhp", "cpuid",   "asimdrdm", "lrcpc", "dcpop", "asimddp", "ssbs"};
    cr_assert_null(cpu_select("neoverse-n1"));
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++)
        cr_expect_str_eq(cpu_flag(i), flags[i]);
    cr_expect_null(cpu_flag(sizeof flags / sizeof *flags));
    cr_expect_eq(cpu_id_register(ISAR0, 0), 0x0000100010211120);
    cr_expect_eq(cpu_id_register(ISAR0, 1), 0x0000000000100001);
    cr_expect_eq(cpu_id_register(PFR0, 0), 0x0000000000110011);
    cr_expect_eq(cpu_midr(), 0x413fd0c1);
}
