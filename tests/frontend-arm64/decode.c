/* Decoded fields of hand-picked words; the text of each word is LLVM's. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xemu/insn.h>

/* The row's name and the fields that are not 0, as "ADD_I imm=1 rn=1 sf=1". */
static const char *show(const struct a64_insn *in)
{
    static char text[256];
    size_t len = (size_t)snprintf(text, sizeof text, "%s", a64_name(in->op));
    const struct {
        const char *name;
        int64_t value;
    } fields[] = {
#define A64_FIELD(NAME) {#NAME, in->NAME},
#include "a64_rows.inc"
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        int64_t x = fields[i].value;
        bool negative = x < 0 && x >= INT32_MIN; /* an offset; other negative numbers are patterns of bits */
        uint64_t magnitude = negative ? -(uint64_t)x : (uint64_t)x;
        if (x)
            len += (size_t)snprintf(text + len, sizeof text - len, " %s=%s%s%" PRIx64, fields[i].name,
                                    negative ? "-" : "", magnitude > 9 ? "0x" : "", magnitude);
    }
    return text;
}

static const struct {
    uint32_t word;
    const char *text, *fields;
} words[] = {
    {0x91000420, "add x0, x1, #1", "ADD_I imm=1 rn=1 sf=1"},
    {0x914043ff, "add sp, sp, #0x10, lsl #12", "ADD_I imm=0x10000 rd=0x1f rn=0x1f sf=1"},
    {0x713ffc41, "subs w1, w2, #4095", "SUBS_I imm=0xfff rd=1 rn=2"},
    {0x10ffffe3, "adr x3, #-4", "ADR imm=-4 rd=3"},
    {0xb0000003, "adrp x3, #0x1000", "ADRP imm=0x1000 rd=3"},
    {0x12003c00, "and w0, w0, #0xffff", "AND_I imm=0xffff imms=0xf"},
    {0xb200f3e1, "orr x1, xzr, #0x5555555555555555",
     "ORR_I imm=0x5555555555555555 rd=1 rn=0x1f sf=1 imms=0x3c"},
    {0xd2410462, "eor x2, x3, #0x8000000000000001",
     "EOR_I imm=0x8000000000000001 rd=2 rn=3 sf=1 immr=1 imms=1"},
    {0x72030ca4, "ands w4, w5, #0xe0000001", "ANDS_I imm=0xe0000001 rd=4 rn=5 immr=3 imms=3"},
    {0xd2e24680, "movz x0, #0x1234, lsl #48", "MOVZ imm=0x1234 sf=1 hw=3"},
    {0x72a00020, "movk w0, #1, lsl #16", "MOVK imm=1 hw=1"},
    {0x93435041, "sbfm x1, x2, #3, #20", "SBFM rd=1 rn=2 sf=1 immr=3 imms=0x14"},
    {0x93c3a041, "extr x1, x2, x3, #40", "EXTR rd=1 rn=2 rm=3 sf=1 shift=0x28"},
    {0x14000001, "b #4", "B imm=4"},
    {0x97ffffff, "bl #-4", "BL imm=-4"},
    {0x54000041, "b.ne #8", "B_COND imm=8 cond=1"},
    {0x34800003, "cbz w3, #-1048576", "CBZ imm=-0x100000 rt=3"},
    {0xb7400085, "tbnz x5, #40, #16", "TBNZ imm=0x10 rt=5 bit=0x28"},
    {0xd61f0220, "br x17", "BR rn=0x11"},
    {0xd65f03c0, "ret", "RET rn=0x1e"},
    {0xd4001001, "svc #0x80", "SVC imm=0x80"},
    {0xd4200020, "brk #1", "BRK imm=1"},
    {0x00000007, "udf #7", "UDF imm=7"},
    {0xd503201f, "nop", "NOP"},
    {0xd503233f, "paciasp", "PACIASP"},
    {0xd5033bbf, "dmb ish", "DMB crm=0xb"},
    {0xd5033fdf, "isb", "ISB crm=0xf"},
    {0xd503335f, "clrex #3", "CLREX crm=3"},
    {0xd53bd040, "mrs x0, tpidr_el0", "MRS sysreg=0xde82"},
    {0xd51b4403, "msr fpcr, x3", "MSR sysreg=0xda20 rt=3"},
    {0xd50b7422, "dc zva, x2", "DC_ZVA rt=2"},
    {0xd50b7524, "ic ivau, x4", "IC_IVAU rt=4"},
    {0xf97fffe0, "ldr x0, [sp, #32760]", "LDR_U imm=0x7ff8 rn=0x1f sf=1 size=3"},
    {0x39401441, "ldrb w1, [x2, #5]", "LDR_U imm=5 rn=2 rt=1"},
    {0xb9800841, "ldrsw x1, [x2, #8]", "LDRS_U imm=8 rn=2 rt=1 sf=1 size=2"},
    {0x38dff441, "ldrsb w1, [x2], #-1", "LDRS_POST imm=-1 rn=2 rt=1 wb=2"},
    {0xf8100c83, "str x3, [x4, #-256]!", "STR_PRE imm=-0x100 rn=4 rt=3 sf=1 size=3 wb=1"},
    {0xb85f9041, "ldur w1, [x2, #-7]", "LDUR imm=-7 rn=2 rt=1 size=2"},
    {0x3dc00441, "ldr q1, [x2, #16]", "LDR_V_U imm=0x10 rn=2 rt=1 esz=4"},
    {0x3c0ff441, "str b1, [x2], #255", "STR_V_POST imm=0xff rn=2 rt=1 wb=2"},
    {0xfc62d823, "ldr d3, [x1, w2, sxtw #3]", "LDR_V_RO rn=1 rm=2 rt=3 esz=3 shift=3 option=6"},
    {0x78a25823, "ldrsh x3, [x1, w2, uxtw #1]", "LDRS_RO rn=1 rm=2 rt=3 sf=1 size=1 shift=1 option=2"},
    {0x78226823, "strh w3, [x1, x2]", "STR_RO rn=1 rm=2 rt=3 size=1 option=3"},
    {0x58000041, "ldr x1, #8", "LDR_L imm=8 rt=1 sf=1 size=3"},
    {0x98ffffc1, "ldrsw x1, #-8", "LDRS_L imm=-8 rt=1 sf=1 size=2"},
    {0x9c000081, "ldr q1, #16", "LDR_V_L imm=0x10 rt=1 esz=4"},
    {0xf9800420, "prfm pldl1keep, [x1, #8]", "PRFM_U imm=8 rn=1"},
    {0xa9ff0be1, "ldp x1, x2, [sp, #-16]!", "LDP_PRE imm=-0x10 rn=0x1f rt=1 rt2=2 sf=1 size=3 wb=1"},
    {0x28810861, "stp w1, w2, [x3], #8", "STP_POST imm=8 rn=3 rt=1 rt2=2 size=2 wb=2"},
    {0x69408861, "ldpsw x1, x2, [x3, #4]", "LDPSW_O imm=4 rn=3 rt=1 rt2=2 sf=1 size=2"},
    {0xac600861, "ldnp q1, q2, [x3, #-1024]", "LDNP_V imm=-0x400 rn=3 rt=1 rt2=2 esz=4"},
    {0x885f7c41, "ldxr w1, [x2]", "LDXR rn=2 rt=1 size=2"},
    {0x0801fc62, "stlxrb w1, w2, [x3]", "STLXR rn=3 rt=2 rs=1 r=1"},
    {0xc87f8861, "ldaxp x1, x2, [x3]", "LDAXP rn=3 rt=1 rt2=2 sf=1 size=3 a=1"},
    {0xc8e1fc62, "casal x1, x2, [x3]", "CAS rn=3 rt=2 rs=1 sf=1 size=3 a=1 r=1"},
    {0x08627cc4, "caspa w2, w3, w4, w5, [x6]", "CASP rn=6 rt=4 rs=2 size=2 a=1"},
    {0x38e10062, "ldaddalb w1, w2, [x3]", "LDADD rn=3 rt=2 rs=1 a=1 r=1"},
    {0xf8618062, "swpl x1, x2, [x3]", "SWP rn=3 rt=2 rs=1 sf=1 size=3 r=1"},
    {0xf8bfc041, "ldapr x1, [x2]", "LDAPR rn=2 rt=1 sf=1 size=3"},
    {0x48dffc41, "ldarh w1, [x2]", "LDAR rn=2 rt=1 size=1"},
    {0x4cdf6481, "ld1 {v1.8h, v2.8h, v3.8h}, [x4], #48",
     "LD1_3 imm=0x30 rn=4 rm=0x1f rt=1 size=1 q=1 wb=2 regs=3 selem=1"},
    {0x4c870881, "st4 {v1.4s, v2.4s, v3.4s, v4.4s}, [x4], x7",
     "ST4 imm=0x40 rn=4 rm=7 rt=1 size=2 q=1 wb=3 regs=4 selem=4"},
    {0x4ddf6881, "ld3 {v1.h, v2.h, v3.h}[5], [x4], #6",
     "LD3_1 imm=6 rn=4 rm=0x1f rt=1 size=1 q=1 index=5 wb=2 selem=3"},
    {0x4d008481, "st1 {v1.d}[1], [x4]", "ST1 imm=8 rn=4 rt=1 size=3 q=1 index=1 selem=1"},
    {0x4dffcc81, "ld2r {v1.2d, v2.2d}, [x4], #16", "LD2R imm=0x10 rn=4 rm=0x1f rt=1 size=3 q=1 wb=2 selem=2"},
    {0x9ac32041, "lsl x1, x2, x3", "LSLV rd=1 rn=2 rm=3 sf=1"},
    {0x9ac35c41, "crc32cx w1, w2, x3", "CRC32C rd=1 rn=2 rm=3 size=3"},
    {0x1ac34041, "crc32b w1, w2, w3", "CRC32 rd=1 rn=2 rm=3"},
    {0x5ac00841, "rev w1, w2", "REV rd=1 rn=2"},
    {0xdac00c41, "rev x1, x2", "REV rd=1 rn=2 sf=1"},
    {0xdac00841, "rev32 x1, x2", "REV32 rd=1 rn=2 sf=1"},
    {0x8b238841, "add x1, x2, w3, sxtb #2", "ADD_XR rd=1 rn=2 rm=3 sf=1 shift=2 option=4"},
    {0x4b837c41, "sub w1, w2, w3, asr #31", "SUB_SR rd=1 rn=2 rm=3 shift=0x1f stype=2"},
    {0xeae3fc41, "bics x1, x2, x3, ror #63", "BICS_SR rd=1 rn=2 rm=3 sf=1 shift=0x3f stype=3"},
    {0xfa5fa825, "ccmp x1, #31, #5, ge", "CCMP_I imm=0x1f rn=1 sf=1 cond=0xa nzcv=5"},
    {0x3a42b02f, "ccmn w1, w2, #15, lt", "CCMN_R rn=1 rm=2 cond=0xb nzcv=0xf"},
    {0x1a830441, "csinc w1, w2, w3, eq", "CSINC rd=1 rn=2 rm=3"},
    {0x9b031041, "madd x1, x2, x3, x4", "MADD rd=1 rn=2 rm=3 ra=4 sf=1"},
    {0x9bc37c41, "umulh x1, x2, x3", "UMULH rd=1 rn=2 rm=3 sf=1"},
    {0x1e632841, "fadd d1, d2, d3", "FADD_S rd=1 rn=2 rm=3 esz=3"},
    {0x1e2e1001, "fmov s1, #1.0", "FMOV_I imm=0x3f800000 rd=1 esz=2"},
    {0x1e781001, "fmov d1, #-0.125", "FMOV_I imm=0xbfc0000000000000 rd=1 esz=3"},
    {0x1ee2c041, "fcvt d1, h2", "FCVT rd=1 rn=2 size=1 esz=3"},
    {0x1e23c041, "fcvt h1, s2", "FCVT rd=1 rn=2 size=2 esz=1"},
    {0x9e790041, "fcvtzu x1, d2", "FCVTZU_R rd=1 rn=2 sf=1 esz=3 rmode=3"},
    {0x1e240041, "fcvtas w1, s2", "FCVTAS_R rd=1 rn=2 esz=2 rmode=4"},
    {0x1e188041, "fcvtzs w1, s2, #32", "FCVTZS_RF rd=1 rn=2 esz=2 shift=0x20 rmode=3"},
    {0x9e420041, "scvtf d1, x2, #64", "SCVTF_RF rd=1 rn=2 sf=1 esz=3 shift=0x40"},
    {0x9e660041, "fmov x1, d2", "FMOV_TO_R rd=1 rn=2 sf=1 esz=3"},
    {0x9eaf0041, "fmov v1.d[1], x2", "FMOV_HI_FROM_R rd=1 rn=2 sf=1"},
    {0x1e674041, "frintx d1, d2", "FRINTX_S rd=1 rn=2 esz=3 rmode=6"},
    {0x1e202038, "fcmpe s1, #0.0", "FCMPE_Z rn=1 esz=2"},
    {0x1e624423, "fccmp d1, d2, #3, mi", "FCCMP rn=1 rm=2 esz=3 cond=4 nzcv=3"},
    {0x1f031041, "fmadd s1, s2, s3, s4", "FMADD rd=1 rn=2 rm=3 ra=4 esz=2"},
    {0x4ee38441, "add v1.2d, v2.2d, v3.2d", "ADD_V rd=1 rn=2 rm=3 esz=3 q=1"},
    {0x5ee38441, "add d1, d2, d3", "ADD_S rd=1 rn=2 rm=3 esz=3 scalar=1"},
    {0x4e23d441, "fadd v1.4s, v2.4s, v3.4s", "FADD_V rd=1 rn=2 rm=3 esz=2 q=1"},
    {0x4e63d441, "fadd v1.2d, v2.2d, v3.2d", "FADD_V rd=1 rn=2 rm=3 esz=3 q=1"},
    {0x5e630c41, "sqadd h1, h2, h3", "SQADD_S rd=1 rn=2 rm=3 esz=1 scalar=1"},
    {0x0e208841, "cmgt v1.8b, v2.8b, #0", "CMGT_VZ rd=1 rn=2"},
    {0x5ee0d841, "fcmeq d1, d2, #0.0", "FCMEQ_SZ rd=1 rn=2 esz=3 scalar=1"},
    {0x4f3f5441, "shl v1.4s, v2.4s, #31", "SHL_V rd=1 rn=2 esz=2 q=1 shift=0x1f"},
    {0x0f080441, "sshr v1.8b, v2.8b, #8", "SSHR_V rd=1 rn=2 shift=8"},
    {0x7f7f0441, "ushr d1, d2, #1", "USHR_S rd=1 rn=2 esz=3 scalar=1 shift=1"},
    {0x0f109441, "sqshrn v1.4h, v2.4s, #16", "SQSHRN_V rd=1 rn=2 esz=1 shift=0x10"},
    {0x4f0fa441, "sshll2 v1.8h, v2.16b, #7", "SSHLL rd=1 rn=2 q=1 shift=7"},
    {0x4f4cfc41, "fcvtzs v1.2d, v2.2d, #52", "FCVTZS_VF rd=1 rn=2 esz=3 q=1 shift=0x34 rmode=3"},
    {0x7f3de441, "ucvtf s1, s2, #3", "UCVTF_SF rd=1 rn=2 esz=2 scalar=1 shift=3"},
    {0x4f7f8841, "mul v1.8h, v2.8h, v15.h[7]", "MUL_E rd=1 rn=2 rm=0xf esz=1 q=1 elem=1 index=7"},
    {0x5f53b841, "sqdmull s1, h2, v3.h[5]", "SQDMULL_SE rd=1 rn=2 rm=3 esz=1 scalar=1 elem=1 index=5"},
    {0x4fbf1841, "fmla v1.4s, v2.4s, v31.s[3]", "FMLA_E rd=1 rn=2 rm=0x1f esz=2 q=1 elem=1 index=3"},
    {0x7fc39841, "fmulx d1, d2, v3.d[1]", "FMULX_SE rd=1 rn=2 rm=3 esz=3 scalar=1 elem=1 index=1"},
    {0x4f832841, "smlal2 v1.2d, v2.4s, v3.s[2]", "SMLAL_E rd=1 rn=2 rm=3 esz=2 q=1 elem=1 index=2"},
    {0x4e0e0441, "dup v1.8h, v2.h[3]", "DUP_E rd=1 rn=2 esz=1 q=1 index=3"},
    {0x5e1f0441, "dup b1, v2.b[15]", "DUP_S rd=1 rn=2 scalar=1 index=0xf"},
    {0x6e1c2441, "ins v1.s[3], v2.s[1]", "INS_E rd=1 rn=2 esz=2 index=3 index2=1"},
    {0x4e183c41, "umov x1, v2.d[1]", "UMOV rd=1 rn=2 sf=1 esz=3 index=1"},
    {0x0e132c41, "smov w1, v2.b[9]", "SMOV rd=1 rn=2 index=9"},
    {0x6e035841, "ext v1.16b, v2.16b, v3.16b, #11", "EXT rd=1 rn=2 rm=3 q=1 index=0xb"},
    {0x4e054041, "tbl v1.16b, {v2.16b, v3.16b, v4.16b}, v5.16b", "TBL rd=1 rn=2 rm=5 q=1 regs=3"},
    {0x4f054561, "movi v1.4s, #0xab, lsl #16", "MOVI_S imm=0xab000000ab0000 rd=1 q=1"},
    {0x6f05a561, "mvni v1.8h, #0xab, lsl #8", "MVNI_H imm=0x54ff54ff54ff54ff rd=1 q=1"},
    {0x0f00c421, "movi v1.2s, #1, msl #8", "MOVI_MSL imm=0x1ff000001ff rd=1"},
    {0x6f00d421, "mvni v1.4s, #1, msl #16", "MVNI_MSL imm=0xfffe0000fffe0000 rd=1 q=1"},
    {0x6f05e421, "movi v1.2d, #0xff00ff00000000ff", "MOVI_D imm=0xff00ff00000000ff rd=1 q=1"},
    {0x4f02e741, "movi v1.16b, #0x5a", "MOVI_B imm=0x5a5a5a5a5a5a5a5a rd=1 q=1"},
    {0x6f00f401, "fmov v1.2d, #2.0", "FMOV_VID imm=0x4000000000000000 rd=1 q=1"},
    {0x4f05f7e1, "fmov v1.4s, #-31.0", "FMOV_VI imm=0xc1f80000c1f80000 rd=1 q=1"},
    {0x0f00b641, "orr v1.4h, #0x12, lsl #8", "ORR_VI_H imm=0x1200120012001200 rd=1"},
    {0x6f001641, "bic v1.4s, #0x12", "BIC_VI_S imm=0xffffffedffffffed rd=1 q=1"},
    {0x4e200841, "rev64 v1.16b, v2.16b", "REV64_V rd=1 rn=2 size=3 q=1"},
    {0x4ea12841, "xtn2 v1.4s, v2.2d", "XTN rd=1 rn=2 esz=2 q=1"},
    {0x0e216841, "fcvtn v1.4h, v2.4s", "FCVTN rd=1 rn=2 esz=1"},
    {0x4e617841, "fcvtl2 v1.2d, v2.4s", "FCVTL rd=1 rn=2 esz=2 q=1"},
    {0x4eb03841, "saddlv d1, v2.4s", "SADDLV rd=1 rn=2 esz=2 q=1"},
    {0x6e30f841, "fmaxv s1, v2.4s", "FMAXV rd=1 rn=2 esz=2 q=1"},
    {0x5ef1b841, "addp d1, v2.2d", "ADDP_S rd=1 rn=2 esz=3"},
    {0x7e30d841, "faddp s1, v2.2s", "FADDP_S rd=1 rn=2 esz=2"},
    {0x4e23e041, "pmull2 v1.8h, v2.16b, v3.16b", "PMULL rd=1 rn=2 rm=3 q=1"},
    {0x0ee3e041, "pmull v1.1q, v2.1d, v3.1d", "PMULL_D rd=1 rn=2 rm=3 esz=3"},
    {0x4e284841, "aese v1.16b, v2.16b", "AESE rd=1 rn=2"},
    {0x5e034041, "sha256h q1, q2, v3.4s", "SHA256H rd=1 rn=2 rm=3"},
    {0x4f231841, "fmla v1.8h, v2.8h, v3.h[6]", "FMLA_EH rd=1 rn=2 rm=3 esz=1 q=1 elem=1 index=6"},
    {0x6e83dc41, "fcmla v1.4s, v2.4s, v3.4s, #270", "FCMLA_V rd=1 rn=2 rm=3 esz=2 q=1 rot=3"},
    {0x6e83f441, "fcadd v1.4s, v2.4s, v3.4s, #270", "FCADD rd=1 rn=2 rm=3 esz=2 q=1 rot=3"},
    {0x4fa3e841, "sdot v1.4s, v2.16b, v3.4b[3]", "SDOT_E rd=1 rn=2 rm=3 esz=2 q=1 elem=1 index=3"},
};

Test(decode, fills_the_fields)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct a64_insn in;
        a64_decode(words[i].word, 0, &in);
        cr_expect_str_eq(show(&in), words[i].fields, "%s: %s, expected %s", words[i].text, show(&in),
                         words[i].fields);
    }
}

Test(decode, keeps_the_word_and_its_address)
{
    struct a64_insn in;
    a64_decode(0xd503201f, 0x400078, &in);
    cr_expect_eq(in.word, 0xd503201f);
    cr_expect_eq(in.pc, 0x400078);
}

Test(decode, knows_no_instruction_where_a_field_is_reserved)
{
    static const struct {
        uint32_t word;
        const char *why;
    } reserved[] = {
        {0x92400000 | 0x3f << 10, "and x0, x0, all ones"},
        {0x12400000, "and w0, w0 with a 64-bit element"},
        {0x52c00000, "movz w0, #0, lsl #32"},
        {0x53408000, "ubfm w0 of a 64-bit field"},
        {0x8b001400 | 1 << 21, "add x0, x0, w0, uxtb #5"},
        {0x0b008000, "add w0, w0, w0, lsl #32"},
        {0x8bc00000, "add x0, x0, x0, ror #0"},
        {0x48207c01, "casp with odd registers"},
        {0x0c008c00, "st2 {v0.1d, v1.1d}"},
        {0x0ee08400, "add v0.1d, v0.1d, v0.1d"},
        {0x0e000400, "dup v0, v0 with no size in imm5"},
        {0x0f408400 | 1 << 10, "shift of a 64-bit element in 8 bytes"},
        {0x4fe01800, "fmla v0.2d, v0.2d, v0.d with a 2-bit index"},
    };
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        struct a64_insn in;
        a64_decode(reserved[i].word, 0, &in);
        cr_expect_eq(in.op, A64_UNALLOCATED, "%08x (%s) is %s", reserved[i].word, reserved[i].why,
                     a64_name(in.op));
    }
}

Test(decode, names_the_feature_of_a_row)
{
    struct a64_insn in;
    a64_decode(0x4e829420, 0, &in); /* sdot v0.4s, v1.16b, v2.16b */
    cr_expect_str_eq(a64_name(in.op), "SDOT_V");
    cr_expect_str_eq(a64_feature(in.op), "FEAT_DotProd");
}

Test(decode, struct_fits_into_a_cache_line) { cr_expect_leq(sizeof(struct a64_insn), 64); }
