/* The guest's CPU, from the rows of features.def. */
#include <xemu/features.h>
#include <xemu/insn.h>

#include <stdio.h>
#include <string.h>

/* Arrays of characters and not pointers to them: nothing to relocate when xemu starts. */
static const struct {
    char name[20], cores[8], flag[12];
    uint8_t capability, id, lsb, value, needs;
} rows[FEATURE_COUNT] = {
#define FEATURE(name, cores, capability, flag, id, lsb, value, needs) \
    [name] = {#name, cores, flag, capability, id, lsb, value, needs},
#include <xemu/features.def>
#undef FEATURE
};

enum { FIRST = EL1 + 1 };

/* The default CPU stands first. */
static const struct {
    char letter, name[16];
    uint32_t midr;
    char what[64];
} models[] = {
    {'d', "default", 0x000f0510, "max without what is slow here"},
    {'a', "cortex-a53", 0x410fd034, "Armv8.0 with CRC32 and cryptography"},
    {'b', "cortex-a72", 0x410fd083, "the same"},
    {'n', "neoverse-n1", 0x413fd0c1, "Armv8.2"},
    {'v', "neoverse-v1", 0x411fd401, "Armv8.4, without SVE"},
    {'x', "max", 0x000f0510, "every feature that xemu has"},
};
enum { MODELS = sizeof models / sizeof *models };

bool feature_on[FEATURE_COUNT];
static unsigned model;

static bool has(unsigned feature, char letter)
{
    const char *cores = rows[feature].cores;
    return letter == 'd' ? strchr(cores, 'x') && !strchr(cores, 's') : strchr(cores, letter) != NULL;
}

/* Whether xemu has the feature. */
static bool exists(unsigned feature) { return has(feature, 'x') || has(feature, 'o'); }

static void switch_on(unsigned feature)
{
    for (; feature != FEAT_BASE; feature = rows[feature].needs)
        feature_on[feature] = true;
}

static void switch_off(unsigned feature)
{
    feature_on[feature] = false;
    for (unsigned f = FIRST; f < FEATURE_COUNT; f++)
        if (feature_on[f] && rows[f].needs == feature)
            switch_off(f);
}

/* By the manual's name, with or without FEAT_, or by the kernel's. */
static unsigned find_feature(const char *name, size_t length)
{
    for (unsigned f = FIRST; f < FEATURE_COUNT; f++) {
        const char *names[] = {rows[f].name, rows[f].name + strlen("FEAT_"), rows[f].flag};
        for (int i = 0; i < 3; i++)
            if (length && strlen(names[i]) == length && !strncasecmp(names[i], name, length))
                return f;
    }
    return FEAT_BASE;
}

/* A minus sign may also belong to the model's name. */
static size_t name_length(const char *text)
{
    for (unsigned m = 0; m < MODELS; m++) {
        size_t length = strlen(models[m].name);
        if (!strncmp(text, models[m].name, length) && strchr("+-", text[length]))
            return length;
    }
    return strcspn(text, "+-");
}

static const char *apply_changes(const char *changes)
{
    while (*changes) {
        size_t length = strcspn(changes + 1, "+-");
        unsigned feature = find_feature(changes + 1, length);
        if (feature == FEAT_BASE)
            return "names a feature that is unknown; `help` lists them";
        if (!exists(feature) && *changes == '+')
            return "asks for a feature that xemu doesn't have; `help` lists those that it has";
        if (*changes == '+')
            switch_on(feature);
        else
            switch_off(feature);
        changes += 1 + length;
    }
    return NULL;
}

const char *cpu_select(const char *text)
{
    if (!text)
        text = models[0].name;
    size_t length = name_length(text);
    for (model = 0; model < MODELS; model++)
        if (strlen(models[model].name) == length && !strncmp(models[model].name, text, length))
            break;
    if (model == MODELS) {
        model = 0;
        return "is no CPU model of xemu; `help` lists them";
    }
    feature_on[FEAT_BASE] = true;
    for (unsigned f = FIRST; f < FEATURE_COUNT; f++)
        feature_on[f] = has(f, models[model].letter);
    const char *wrong = apply_changes(text + length);
    a64_switch_rows(feature_on);
    return wrong;
}

void cpu_help(void)
{
    puts("NAME[+feature...][-feature...], where NAME is one of");
    for (unsigned m = 0; m < MODELS; m++)
        printf("  %-12s %s\n", models[m].name, models[m].what);
    puts("and a feature one of (those of the default are marked *)");
    for (unsigned f = FIRST; f < FEATURE_COUNT; f++)
        if (exists(f))
            printf("  %c %-10s %s\n", has(f, 'd') ? '*' : ' ', rows[f].name + strlen("FEAT_"), rows[f].flag);
}

static uint64_t capabilities(unsigned from)
{
    uint64_t bits = 0;
    for (unsigned f = FIRST; f < FEATURE_COUNT; f++)
        if (feature_on[f] && rows[f].capability / 64 == from)
            bits |= 1ull << rows[f].capability % 64;
    return bits;
}

uint64_t cpu_hwcap(void) { return capabilities(0); }
uint64_t cpu_hwcap2(void) { return capabilities(1); }

/* In the order of the bits, as the kernel does. */
const char *cpu_flag(unsigned n)
{
    uint64_t bits[2] = {cpu_hwcap(), cpu_hwcap2()};
    for (unsigned bit = 0; bit < 128; bit++)
        if ((bits[bit / 64] >> bit % 64 & 1) && !n--)
            for (unsigned f = FIRST; f < FEATURE_COUNT; f++)
                if (rows[f].capability == bit)
                    return rows[f].flag;
    return NULL;
}

uint32_t cpu_midr(void) { return models[model].midr; }

enum { ISAR1 = 6 << 3 | 1, ISAR2 = 6 << 3 | 2, API = 8, GPI = 28 };

/* ID_AA64ISAR1_EL1 says in API and GPI that the algorithm of pointer authentication is the implementation's own; the
 * fields for QARMA5 lie beside them, and those for QARMA3 in ID_AA64ISAR2_EL1. */
static uint64_t with_algorithm(unsigned id, uint64_t value, uint64_t isar1)
{
    uint64_t addresses = isar1 >> API & 15, generic = isar1 >> GPI & 15, own = 15ull << API | 15ull << GPI;
    if (id == ISAR1 && feature_on[FEAT_PACQARMA5])
        return (value & ~own) | addresses << (API - 4) | generic << (GPI - 4);
    if (id == ISAR1 && feature_on[FEAT_PACQARMA3])
        return value & ~own;
    if (id == ISAR2 && feature_on[FEAT_PACQARMA3] && !feature_on[FEAT_PACQARMA5])
        return value | addresses << 12 | generic << 8;
    return value;
}

static uint64_t fields_of(unsigned id)
{
    enum { PFR0 = 4 << 3 };
    uint64_t value = id == PFR0 ? 0x11 : 0; /* EL0 and EL1: AArch64 only */
    for (unsigned f = FIRST; f < FEATURE_COUNT; f++)
        if (feature_on[f] && rows[f].value && rows[f].id == id &&
            (value >> rows[f].lsb & 15) < rows[f].value)
            value = (value & ~(15ull << rows[f].lsb)) | (uint64_t)rows[f].value << rows[f].lsb;
    return value;
}

uint64_t cpu_id_register(unsigned crm, unsigned op2)
{
    unsigned id = crm << 3 | op2;
    return with_algorithm(id, fields_of(id), fields_of(ISAR1));
}
