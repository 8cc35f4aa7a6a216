/* The architected algorithms of pointer authentication against other implementations. */
#include <xemu/pauth.h>

#include <criterion/criterion.h>

/* Avanzi, The QARMA Block Cipher Family (2016), table of test vectors: sigma 2, r = 5. */
Test(qarma, qarma5_of_the_paper)
{
    cr_expect_eq(pauth_qarma(PAUTH_QARMA5, 0xfb623599da6e8127, 0x477d469dec0b8762, 0x84be85ce9804e94b, 0xec2802d4e0a488e9),
                 0xc003b93999b33765);
}

/* qemu-aarch64 10 -seed 1: what it made of its keys, which follow from the seed. PACGA shows the upper half of the
 * result, PACIA and PACDB of 0x123456789abc bits 54 to 48. */
Test(qarma, codes_of_qemu)
{
    const uint64_t modifier = 0x477d469dec0b8762, value = 0x123456789abcdef0, pointer = 0x123456789abc;
    const uint64_t ia[] = {0x1e2feb89414c343c, 0x1027c4d1c386bbc4}, db[] = {0xe4b06ce60741c7a8, 0x7ce42c8218072e8c},
                   ga[] = {0x9b810e766ec9d286, 0x63ca828dd5f4b3b2};
    cr_expect_eq(pauth_qarma(PAUTH_QARMA5, value, modifier, ga[0], ga[1]) >> 32, 0x2176cdf0);
    cr_expect_eq(pauth_qarma(PAUTH_QARMA3, value, modifier, ga[0], ga[1]) >> 32, 0xb265748e);
    cr_expect_eq(pauth_qarma(PAUTH_QARMA5, pointer, modifier, ia[0], ia[1]) >> 48 & 0x7f, 0x32);
    cr_expect_eq(pauth_qarma(PAUTH_QARMA3, pointer, modifier, ia[0], ia[1]) >> 48 & 0x7f, 0);
    cr_expect_eq(pauth_qarma(PAUTH_QARMA5, pointer, modifier, db[0], db[1]) >> 48 & 0x7f, 0x3a);
    cr_expect_eq(pauth_qarma(PAUTH_QARMA3, pointer, modifier, db[0], db[1]) >> 48 & 0x7f, 0x5e);
}
